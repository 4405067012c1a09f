"""Which image a job on AWS runs, and what its instance costs."""

import pytest

from donkey_sagemaker.cloud.images import Image
from donkey_sagemaker.cloud.prices import Price


def test_own_image_is_preferred(aws, cloud, open_cloud):
    """With "auto", an image for this generation and kind of instance is preferred to AWS's own."""
    uri = aws.push_image("donkey-sagemaker", "dk54-cpu")
    assert cloud.choose_image("dk54", instance_type="ml.m5.xlarge") == Image(uri, stock=False)
    assert cloud.choose_image("dk54", instance_type="ml.g5.xlarge").stock
    assert cloud.choose_image("dk22", instance_type="ml.m5.xlarge").stock
    aws.set(denied=["ecr:*"])
    assert cloud.choose_image("dk54", instance_type="ml.m5.xlarge").stock
    asked = len(aws.requests())
    named = open_cloud(image=uri).choose_image("dk22", instance_type="ml.m5.xlarge")
    assert named == Image(uri, stock=False) and len(aws.requests()) == asked


def test_stock_image(cloud):
    """Without a repository in the account, AWS's own image is used."""
    assert cloud.choose_image("dk54", instance_type="ml.m5.xlarge").stock


def test_price(aws, cloud):
    """The price list is requested once for each type."""
    assert cloud.hourly_price("ml.m5.xlarge") == Price(
        0.257, "ml.m5.xlarge in eu-west-1, from AWS's price list today"
    )
    assert cloud.hourly_price("ml.m5.xlarge").usd_per_hour == 0.257
    assert len(aws.requests("pricing", "GetProducts")) == 1
    assert cloud.hourly_price("ml.nothing") is None


@pytest.mark.parametrize(
    "break_price_list",
    [
        lambda aws: aws.set(denied=["pricing:*"]),
        lambda aws: aws.set(expired=True),
        lambda aws: aws.fault("refuse", operation="GetProducts"),
        lambda aws: aws.fault("cut_response", operation="GetProducts"),
        lambda aws: aws.fault("error", operation="GetProducts", status=500),
    ],
)
def test_price_without_the_price_list(break_price_list, aws, cloud, pauses):
    """The table's price is used, with its date, without waiting."""
    break_price_list(aws)
    price = Price(0.257, "ml.m5.xlarge in eu-west-1, as listed in November 2026")
    assert cloud.hourly_price("ml.m5.xlarge") == price
    assert not pauses
