"""AWS's partitions: ARNs, addresses and pages of the console in China and in GovCloud."""

import pytest

from donkey_sagemaker.aws.builder import Builder
from donkey_sagemaker.aws.errors import ObjectNotDeleted, make_no_quota
from donkey_sagemaker.aws.stack import StackStuck
from donkey_sagemaker.cloud.partitions import find_partition

PARTITIONS = [
    ("eu-west-1", "aws", "amazonaws.com", "eu-west-1.console.aws.amazon.com"),
    ("cn-north-1", "aws-cn", "amazonaws.com.cn", "cn-north-1.console.amazonaws.cn"),
    ("us-gov-west-1", "aws-us-gov", "amazonaws.com", "us-gov-west-1.console.amazonaws-us-gov.com"),
]
EACH = pytest.mark.parametrize("region, name, domain, console", PARTITIONS)


class FakeConnection:
    """As much of a connection as an address needs."""

    def __init__(self, region):
        self.region = region

    def account_id(self):
        return "123456789012"


@EACH
def test_the_partition_of_a_region(region, name, domain, console):
    """Its name in ARNs, the domain of its services, and its console."""
    partition = find_partition(region)
    assert partition[:2] == (name, domain)
    assert partition.console_url(region, "iam") == f"https://{console}/iam"


@EACH
def test_every_link_to_the_console(region, name, domain, console):
    """A link to another partition's console ends at a login that the owner does not have."""
    for error in (
        make_no_quota("ml.m5.xlarge for training job usage", values="is 0", region=region),
        StackStuck("UPDATE_ROLLBACK_FAILED", region),
        ObjectNotDeleted("bucket", {"Key": "x"}, region=region),
    ):
        assert f" https://{console}/" in error.fix


@EACH
def test_the_registry(region, name, domain, console):
    """Images are pushed to the registry of the partition."""
    assert Builder(FakeConnection(region)).registry == f"123456789012.dkr.ecr.{region}.{domain}"
