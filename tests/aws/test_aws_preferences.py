"""InstancePreferences: AWS takes the first type with capacity, where that is possible; otherwise one is tried
after the other.
"""

import pytest

from donkey_sagemaker.aws import preferences
from donkey_sagemaker.aws.quotas import Quotas
from donkey_sagemaker.cloud.errors import NoCapacity, Unreachable

TYPES = ["ml.m5.xlarge", "ml.c5.xlarge", "ml.m5.large"]
LACKS = {"wait_s": 0, "fails": True}


@pytest.fixture
def requests_for(request_for):
    return lambda types=TYPES, **values: [request_for(instance_type=each, **values) for each in types]


@pytest.fixture
def quotas(connection, aws):
    aws.set(quotas={f"{each} for training job usage": 1 for each in (*TYPES, "ml.c5.2xlarge")})
    return Quotas(connection)


def choose(requests, quotas):
    chosen = preferences.choose_preferences(requests[0], requests[1:], quotas)
    return [each["ResourceConfig"]["InstanceType"] for each in chosen]


def test_alike_in_all_but_the_type(requests_for, quotas):
    """All of them are one request, whose list has the order of the owner."""
    requests = requests_for()
    assert choose(requests, quotas) == TYPES
    merged = preferences.merge(requests)
    assert merged["ResourceConfig"] == {
        "InstancePreferences": [{"InstanceType": each} for each in TYPES],
        "InstanceCount": 1,
        "VolumeSizeInGB": requests[0]["ResourceConfig"]["VolumeSizeInGB"],
    }
    rest = [{name: each[name] for name in each if name != "ResourceConfig"} for each in (requests[0], merged)]
    assert rest[0] == rest[1]
    assert requests[0]["ResourceConfig"]["InstanceType"] == TYPES[0]  # what was merged is not changed


@pytest.mark.parametrize("values", [{"spot": True}, {"keep_alive_s": 60}])
def test_what_has_no_preferences(requests_for, quotas, values):
    """Spot jobs, by AWS's rules; kept instances, since the next job needs the same type."""
    assert choose(requests_for(**values), quotas) == TYPES[:1]


def test_another_image_or_disk(requests_for, quotas):
    """A type that needs a different request ends the list: AWS would not try it in its place."""
    requests = requests_for([TYPES[0], "ml.g5.xlarge", TYPES[1]])  # which has a disk of its own
    assert choose(requests, quotas) == TYPES[:1]
    requests = requests_for()
    requests[2]["AlgorithmSpecification"]["TrainingImage"] += "2"
    assert choose(requests, quotas) == TYPES[:2]


def test_a_type_without_quota(requests_for, connection, aws):
    """AWS would reject the whole list, also where only a later type has none, or nobody knows."""
    requests = requests_for(["ml.m5.xlarge", "ml.c5.xlarge", "ml.c5.2xlarge"])
    assert choose(requests, Quotas(connection)) == ["ml.m5.xlarge", "ml.c5.xlarge"]
    aws.set(denied=["servicequotas:*"])
    assert choose(requests, Quotas(connection)) == ["ml.m5.xlarge"]


def test_at_most_five(requests_for, quotas, aws):
    """AWS's limit."""
    names = [f"ml.m5.{size}" for size in ("large", "xlarge", "2xlarge", "4xlarge", "12xlarge", "24xlarge")]
    aws.set(quotas={f"{each} for training job usage": 1 for each in names})
    assert choose(requests_for(names), quotas) == names[:5]


def test_aws_takes_the_next_type(aws, boto3_with_preferences, open_cloud, requests_for):
    """One request, one job; its state says among which types AWS chose, and which one it took."""
    cloud = open_cloud()
    aws.set(capacity={TYPES[0]: LACKS}, quotas={"ml.c5.xlarge for training job usage": 1})
    first, *others = requests_for()
    cloud.start_job(first, others=others)
    aws.wait_for_job("donkey-pilot-1")
    state = cloud.describe_job("donkey-pilot-1")
    assert (state.status, state.instance_type, state.instance_count) == ("Completed", "ml.c5.xlarge", 1)
    assert state.candidates == TYPES
    assert len(aws.requests("sagemaker", "CreateTrainingJob")) == 1


def test_before_aws_has_chosen(aws, boto3_with_preferences, open_cloud, requests_for):
    """No type is known yet."""
    cloud = open_cloud()
    aws.set(phase_s={"Starting": 1000})
    first, *others = requests_for()
    cloud.start_job(first, others=others)
    state = cloud.describe_job("donkey-pilot-1")
    assert (state.instance_type, state.candidates) == (None, TYPES)
    (job,) = cloud.list_fleet(since=0)
    assert job.cost(cloud.hourly_price) == pytest.approx(4 * 0.257)  # the most, of the most expensive


def test_an_old_boto3(aws, cloud, requests_for):
    """It would not report which type AWS has taken, so it gets one."""
    first, *others = requests_for()
    if preferences.are_known(cloud._request_shape):
        pytest.skip("this boto3 knows them")
    cloud.start_job(first, others=others)
    state = cloud.describe_job("donkey-pilot-1")
    assert (state.instance_type, state.candidates) == (TYPES[0], [])


def test_a_list_that_aws_refuses(aws, boto3_with_preferences, open_cloud, requests_for):
    """As a region that does not know lists would: the first type alone is asked for."""
    cloud = open_cloud()
    aws.fault(
        "error", operation="CreateTrainingJob", code="ValidationException", message="no lists", status=400
    )
    first, *others = requests_for()
    cloud.start_job(first, others=others)
    assert cloud.describe_job("donkey-pilot-1").candidates == []


def test_the_quota_is_in_use(aws, boto3_with_preferences, open_cloud, requests_for):
    """Of the first type: the caller learns that, and goes on with the next one."""
    cloud = open_cloud()
    aws.set(phase_s={"Starting": 1000})
    cloud.start_job(requests_for(TYPES[:1])[0])
    first, *others = [dict(each, TrainingJobName="donkey-2") for each in requests_for()]
    with pytest.raises(NoCapacity):
        cloud.start_job(first, others=others)
    cloud.start_job(others[0], others=others[1:])
    assert cloud.describe_job("donkey-2").candidates == TYPES[1:]


def test_a_lost_response(aws, boto3_with_preferences, open_cloud, requests_for):
    """The job with the list is recognized, and no second one is started for the first type alone."""
    cloud = open_cloud()
    aws.fault("lose_response", operation="CreateTrainingJob")
    first, *others = requests_for()
    cloud.start_job(first, others=others)
    assert [job.name for job in cloud.list_jobs()] == ["donkey-pilot-1"]
    assert cloud.describe_job("donkey-pilot-1").candidates == TYPES


def test_no_network(aws, boto3_with_preferences, open_cloud, requests_for, pauses):
    """Nobody knows whether the job was started, so nothing else is tried."""
    cloud = open_cloud()
    aws.fault("refuse", operation="CreateTrainingJob", times=None)
    first, *others = requests_for()
    with pytest.raises(Unreachable):
        cloud.start_job(first, others=others)
    assert len(aws.requests("sagemaker", "CreateTrainingJob")) == len(pauses) + 1  # one request, repeated
