"""What the key of one car can do in an account that sagemaker-setup made: nothing to the other cars."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from aws_owner import Owner
from donkey_sagemaker.aws.stack import SETTINGS_BY_OUTPUT, Stack
from donkey_sagemaker.car.config import read_config
from donkey_sagemaker.cloud.images import Image
from donkey_sagemaker.cloud.request import JobKeys, make_request

SHARD = "donkeycar/shards/" + "0" * 64 + ".zip"
OBJECTS = [
    "jobs/JOB/car/myconfig.py",
    "jobs/JOB/launch.json",
    "code/0/trainer.pyz",
    "models/JOB/output/model.tar.gz",
]


@pytest.fixture
def school(tmp_path, aws, monkeypatch, capsys, settings):
    """An account with two cars, blue and red, each with some objects in its folder."""
    monkeypatch.setattr(Stack, "poll_s", 0.0)
    cars = {}
    for name in ("blue", "red"):
        key = aws.create_car_key(name)
        path = tmp_path / name
        path.mkdir()
        (path / "config.py").write_text("")
        (path / "myconfig.py").write_text(f"SAGEMAKER_ENDPOINT_URL = {aws.endpoint_url!r}\n")
        owner = Owner(path, capsys)
        assert owner.types("setup", "--user=" + name) == 0, owner.err
        values = read_config(str(path)).values
        account = {"aws_access_key_id": key["AWS_ACCESS_KEY_ID"]}
        account["aws_secret_access_key"] = key["AWS_SECRET_ACCESS_KEY"]
        found = SimpleNamespace(
            key=key,
            folder=values["SAGEMAKER_FOLDER"],
            settings=settings(
                **{each[len("SAGEMAKER_") :].lower(): values[each] for each in values if each in SETTINGS},
                endpoint_url=aws.endpoint_url,
            ),
            s3=aws.client("s3", **account),
            call=lambda service, operation, key=account, **values: getattr(
                aws.client(service, **key), operation
            )(**values),
        )
        for each in OBJECTS:
            found.s3.put_object(
                Bucket=found.settings.bucket, Key=f"donkeycar/cars/{name}/{each}", Body=b"mine"
            )
        cars[name] = found
    bucket = cars["red"].settings.bucket
    aws.client("s3").put_object(Bucket=bucket, Key=SHARD, Body=b"red's pictures", IfNoneMatch="*")
    return SimpleNamespace(bucket=bucket, **cars)


SETTINGS = [*SETTINGS_BY_OUTPUT.values(), "SAGEMAKER_FOLDER"]


def read(aws, school, key):
    return aws.client("s3").get_object(Bucket=school.bucket, Key=key)["Body"].read()


def denied(step, **parameters):
    with pytest.raises(ClientError) as caught:
        step(**parameters)
    return caught.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")


@pytest.mark.parametrize("name", OBJECTS)
def test_the_objects_of_another_car(aws, school, name):
    """They cannot be read, replaced or listed, but those of the car itself can."""
    own, foreign = (
        {"Bucket": school.bucket, "Key": f"donkeycar/cars/{car}/{name}"} for car in ("blue", "red")
    )
    assert school.blue.s3.get_object(**own)["Body"].read() == b"mine"
    assert denied(school.blue.s3.get_object, **foreign)
    assert denied(school.blue.s3.put_object, Body=b"evil", **foreign)
    assert denied(school.blue.s3.delete_object, **foreign)
    assert denied(school.blue.s3.copy_object, CopySource=own, **foreign)
    assert denied(school.blue.s3.list_objects_v2, Bucket=school.bucket, Prefix=foreign["Key"])
    assert read(aws, school, foreign["Key"]) == b"mine"


def test_a_shard_that_exists(aws, school):
    """It can be neither read nor replaced, in any of the ways to store an object; a new one can be added."""
    shard = {"Bucket": school.bucket, "Key": SHARD}
    own = {"Bucket": school.bucket, "Key": f"donkeycar/cars/blue/{OBJECTS[0]}"}
    assert denied(school.blue.s3.get_object, **shard)
    assert denied(school.blue.s3.put_object, Body=b"evil", **shard)
    assert denied(school.blue.s3.delete_object, **shard)
    assert denied(school.blue.s3.create_multipart_upload, **shard)
    assert denied(school.blue.s3.copy_object, CopySource=own, **shard)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        school.blue.s3.put_object(Body=b"evil", IfNoneMatch="*", **shard)
    assert read(aws, school, SHARD) == b"red's pictures"
    school.blue.s3.put_object(
        Bucket=school.bucket, Key=SHARD.replace("0", "1"), Body=b"blue's pictures", IfNoneMatch="*"
    )


def test_images_are_the_administrators(aws, school):
    """Who starts a build with steps of his own runs them as a role that may push the image of every car."""
    build = {
        "projectName": "donkey-sagemaker",
        "sourceLocationOverride": "x/y",
        "environmentVariablesOverride": [],
    }
    assert denied(school.blue.call, service="codebuild", operation="start_build", **build)
    assert denied(school.blue.s3.put_object, Bucket=school.bucket, Key="donkeycar/images/0.zip", Body=b"evil")
    assert denied(school.blue.call, service="ecr", operation="get_authorization_token")


def start_job(aws, school, *, folder, role_arn=None):
    """Starts a job with blue's key that reads the folder of a car and puts what it finds into a model."""
    uri = aws.push_image("donkey-sagemaker", "dk54-cpu")
    aws.image(uri, command=["sh", "-c", "cp /opt/ml/input/data/car/* /opt/ml/model/"])
    keys = JobKeys(school.bucket, "donkeycar", "JOB", folder)
    request = make_request(
        keys,
        school.blue.settings,
        instance_type="ml.m5.xlarge",
        image=Image(uri, stock=False),
        role_arn=role_arn or school.blue.settings.role_arn,
        code_prefix=None,
        tags={},
    )
    request["TrainingJobName"] = "donkey-spy"
    request["InputDataConfig"] = request["InputDataConfig"][1:]
    request["OutputDataConfig"]["S3OutputPath"] = f"s3://{school.bucket}/donkeycar/cars/blue/models"
    school.blue.call("sagemaker", "create_training_job", **request)
    return aws.wait_for_job("donkey-spy")


def test_a_job_reads_the_folder_of_its_own_car_only(aws, school):
    """A job has more rights than the key that starts it, but not in other folders."""
    state = start_job(aws, school, folder="red")
    assert state["TrainingJobStatus"] == "Failed" and "AccessDenied" in state["FailureReason"]
    assert "donkeycar/cars/red/jobs/JOB/car/myconfig.py" in state["FailureReason"]


def test_a_job_of_the_car_itself(aws, school):
    """The same job on the car's own folder is allowed."""
    state = start_job(aws, school, folder="blue")
    assert state["TrainingJobStatus"] == "Completed", state
    assert read(aws, school, "donkeycar/cars/blue/models/donkey-spy/output/model.tar.gz")


@pytest.mark.parametrize("owner", ["red", None])
def test_a_job_in_the_role_of_somebody_else(aws, school, owner):
    """Neither the role of another car nor that of the administrator's jobs can be passed."""
    (stack,) = aws.client("cloudformation").describe_stacks(StackName="donkey-sagemaker")["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    role_arn = school.red.settings.role_arn if owner else outputs["RoleArn"]
    with pytest.raises(
        ClientError, match="is not authorized to perform: iam:PassRole on resource: " + role_arn
    ):
        start_job(aws, school, folder="red", role_arn=role_arn)


def test_a_job_cannot_replace_a_model_of_another_car(aws, school):
    """Its output goes to its own car's folder."""
    uri = aws.push_image("donkey-sagemaker", "dk54-cpu")
    aws.image(uri, command=["sh", "-c", "echo evil > /opt/ml/model/x"])
    school.blue.call(
        "sagemaker",
        "create_training_job",
        TrainingJobName="donkey-spy",
        AlgorithmSpecification={"TrainingImage": uri, "TrainingInputMode": "File"},
        RoleArn=school.blue.settings.role_arn,
        OutputDataConfig={"S3OutputPath": f"s3://{school.bucket}/donkeycar/cars/red/models"},
        ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 100},
    )
    assert "AccessDenied" in aws.wait_for_job("donkey-spy")["FailureReason"]
