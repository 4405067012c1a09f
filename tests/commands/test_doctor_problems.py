"""sagemaker-doctor: each problem that a car or an account can have."""

import json

import pytest

from donkey_sagemaker.training import disk

pytest.importorskip("boto3")

from doctor_car import make_doctor_car, move_the_tub_away, remove_keys
from tub_factory import make_v2


@pytest.fixture
def car(tmp_path, aws, monkeypatch, capsys):
    return make_doctor_car(tmp_path, aws, monkeypatch, capsys)


def write_bad_records(car):
    move_the_tub_away(car)
    make_v2(car.path / "data", 2, lines={0: b"{", 1: b"\0\0"})


def write_a_file_in_place_of(name):
    def make(car):
        (car.path / name).write_text("not a folder")

    return make


def make_the_disk_full(car):
    car.monkeypatch.setattr(disk, "NEEDED_BYTES", 1 << 60)


def break_the_aws_config(car):
    path = car.path / "aws_config"
    path.write_text("[profile\n")
    car.monkeypatch.setenv("AWS_CONFIG_FILE", str(path))


def log_in_with_sso(car):
    """A profile as `aws configure sso` writes it, before `aws sso login`."""
    remove_keys(car)
    path = car.path / "aws_config"
    path.write_text(
        "[default]\nsso_start_url = http://127.0.0.1:9/start\nsso_region = eu-west-1\n"
        "sso_account_id = 123456789012\nsso_role_name = admin\n"
    )
    car.monkeypatch.setenv("AWS_CONFIG_FILE", str(path))


def log_in_with_a_program(car):
    remove_keys(car)
    path = car.path / "aws_config"
    path.write_text("[default]\ncredential_process = cat /nowhere/login.json\n")
    car.monkeypatch.setenv("AWS_CONFIG_FILE", str(path))


def use_an_empty_profile(car):
    remove_keys(car)
    path = car.path / "aws_config"
    path.write_text("[profile racer]\nregion = eu-west-1\n")
    car.monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    car.monkeypatch.setenv("AWS_PROFILE", "racer")


def forbid_the_price_list(car):
    car.set(INSTANCE_TYPE="ml.p3.2xlarge", MAX_COST_USD=100)
    car.aws.set(denied=["pricing:*"], quotas={"ml.p3.2xlarge for training job usage": 1})


def create_a_bucket_elsewhere(car):
    car.aws.client("s3", region_name="us-east-1").create_bucket(Bucket="far-away")
    car.set(BUCKET="far-away")


def create_a_role_for_ec2(car):
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    car.aws.client("iam").create_role(
        RoleName="of-ec2", AssumeRolePolicyDocument=json.dumps({"Statement": [statement]}), Path="/"
    )
    car.set(ROLE_ARN="arn:aws:iam::123456789012:role/of-ec2")


def forbid_reading_the_bucket(car):
    car.aws.client("s3").put_object(Bucket=car.aws.bucket, Key="donkeycar/shards/0.zip", Body=b"x")
    car.aws.set(denied=["s3:GetObject"])


def settings(**settings):
    return lambda car: car.set(**settings)


def config(line):
    return lambda car: car.append_config(line)


def account(**values):
    return lambda car: car.aws.set(**values)


def fault(kind, **fault):
    return lambda car: car.aws.fault(kind, times=None, **fault)


USER = "arn:aws:iam::123456789012:user/donkey"
QUOTA = "This account's quota for"
IMAGE = "123456789012.dkr.ecr.{}.amazonaws.com/donkey-sagemaker:dk53-cpu"

# What causes the problem, the line that is wrong, the beginning of its text, and the exit code
PROBLEMS = {
    "no car": (
        lambda car: (car.path / "config.py").unlink(),
        "car",
        "{car}/config.py does not exist",
        2,
    ),
    "broken config": (
        config("x = ("),
        "car",
        "{car}/config.py cannot be loaded because of an error in line 2: SyntaxError",
        2,
    ),
    "config raises": (
        config("import nothing_of_that_name"),
        "car",
        "{car}/config.py cannot be loaded because of an error in line 2",
        2,
    ),
    "unknown setting": (settings(BUKET="x"), "car", "Some settings are invalid:\n  SAGEMAKER_BUKET", 2),
    "bad setting": (settings(BUCKET="My Bucket"), "car", "Some settings are invalid:\n  SAGEMAKER_BUCKET", 2),
    "bad car": (settings(CAR="a bike"), "runtime", "SAGEMAKER_CAR = 'a bike' is invalid: ", 2),
    "no car file": (
        settings(CAR="car.json"),
        "runtime",
        "SAGEMAKER_CAR = 'car.json' is invalid: the file cannot be read",
        2,
    ),
    "bad type": (config("DEFAULT_MODEL_TYPE = 'fly'"), "model", "donkeycar 5.3.0 cannot train models", 2),
    "no lite model": (config("DEFAULT_MODEL_TYPE = '3d'"), "model", "A 3d model cannot be converted", 2),
    "disk full": (make_the_disk_full, "disk", "The disk of ", 2),
    "models is a file": (
        write_a_file_in_place_of("models"),
        "folders",
        "You cannot write to {car}/models, or",
        2,
    ),
    "state folder is a file": (
        write_a_file_in_place_of(".sagemaker"),
        "folders",
        "You cannot write to {car}/.sagemaker,",
        2,
    ),
    "no data": (move_the_tub_away, "tub", "There is no folder {car}/data.", 2),
    "empty data": (
        lambda car: (move_the_tub_away(car), (car.path / "data").mkdir()),
        "tub",
        "There is no tub in {car}/data",
        2,
    ),
    "bad records": (write_bad_records, "tub", "data holds no record to train on (", 2),
    "no region": (settings(REGION=None), "place", "No AWS region is set.", 2),
    "no profile": (
        settings(PROFILE="nobody"),
        "place",
        "There is no AWS profile named nobody [ProfileNotFound].",
        2,
    ),
    "bad aws config": (
        break_the_aws_config,
        "place",
        "The AWS configuration of this machine is not valid [",
        2,
    ),
    "no keys": (remove_keys, "credentials", "There are no AWS credentials on this machine [", 2),
    "unknown keys": (
        lambda car: car.monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFNOBODY"),
        "credentials",
        "AWS does not accept the credentials of this machine in eu-west-1 [InvalidClientTokenId].",
        3,
    ),
    "expired": (account(expired=True), "credentials", "Your AWS login has expired [ExpiredToken]", 3),
    "no keys in the profile": (
        use_an_empty_profile,
        "credentials",
        "There are no AWS credentials in the profile racer [",
        2,
    ),
    "a login program that fails": (
        log_in_with_a_program,
        "credentials",
        "The AWS credentials of this machine could not be loaded [CredentialRetrievalError]: Error when ",
        2,
    ),
    "no sso login": (log_in_with_sso, "credentials", "Your AWS login has expired [SSOTokenLoadError].", 3),
    "not signed up": (
        fault("error", operation="GetCallerIdentity", status=403, code="OptInRequired"),
        "credentials",
        "This AWS account is not ready for use [OptInRequired]",
        3,
    ),
    "clock far off": (account(skew_s=3600), "credentials", "The clock of this machine shows ", 3),
    "clock off": (account(skew_s=280), "clock", "The clock of this machine shows ", 3),
    "no network": (settings(ENDPOINT_URL="http://127.0.0.1:9"), "credentials", "AWS cannot be reached [", 3),
    "cut line": (fault("refuse"), "credentials", "AWS cannot be reached [", 3),
    "busy": (
        fault("error", operation="ListObjectsV2", status=503),
        "bucket",
        "AWS could not handle ListObjectsV2, even after several tries [",
        3,
    ),
    "bucket not set": (settings(BUCKET=None), "bucket", "SAGEMAKER_BUCKET is not set", 2),
    "no bucket": (
        settings(BUCKET="gone-away"),
        "bucket",
        "There is no bucket named gone-away [NoSuchBucket].",
        3,
    ),
    "another's bucket": (
        account(bucket_owners={"donkey-stand-in": "999999999999"}),
        "bucket",
        "Your account 123456789012 has no access to the bucket donkey-stand-in [AccessDenied].",
        3,
    ),
    "bucket elsewhere": (
        create_a_bucket_elsewhere,
        "bucket",
        "The bucket far-away is in us-east-1, but the job would run in eu-west-1: ",
        3,
    ),
    "bucket not listed": (
        account(denied=["s3:ListBucket"]),
        "bucket",
        f"{USER} is not allowed to use s3:ListBucket on arn:aws:s3:::donkey-stand-in",
        3,
    ),
    "role not set": (settings(ROLE_ARN=None), "role", "SAGEMAKER_ROLE_ARN is not set", 2),
    "no role": (
        settings(ROLE_ARN="arn:aws:iam::123456789012:role/gone"),
        "role",
        "The role arn:aws:iam::123456789012:role/gone does not exist [NoSuchEntity].",
        3,
    ),
    "another's role": (
        settings(ROLE_ARN="arn:aws:iam::999999999999:role/other"),
        "role",
        "The role arn:aws:iam::999999999999:role/other does not belong to your account 123456789012.",
        3,
    ),
    "role of another service": (
        create_a_role_for_ec2,
        "role",
        "The role arn:aws:iam::123456789012:role/of-ec2 does not trust SageMaker.",
        3,
    ),
    "no image": (
        settings(IMAGE=IMAGE.format("eu-west-1")),
        "image",
        "There is no image donkey-sagemaker:dk53-cpu",
        3,
    ),
    "image elsewhere": (
        settings(IMAGE=IMAGE.format("us-east-1")),
        "image",
        "The job would run in eu-west-1, but",
        2,
    ),
    "no quota": (
        settings(INSTANCE_TYPE="ml.g5.xlarge"),
        "quota",
        f"{QUOTA} ml.g5.xlarge for training job usage in eu-west-1 is 0, but this job needs 1.",
        3,
    ),
    "no spot quota": (
        lambda car: (
            car.set(SPOT=True),
            car.aws.set(quotas={"ml.m5.xlarge for spot training job usage": 0}),
        ),
        "quota",
        f"{QUOTA} ml.m5.xlarge for spot training job usage in eu-west-1 is 0",
        3,
    ),
    "quota for fewer instances": (
        lambda car: (
            car.set(INSTANCE_COUNT=3),
            car.aws.set(quotas={"ml.m5.xlarge for training job usage": 2}),
        ),
        "quota",
        f"{QUOTA} ml.m5.xlarge for training job usage in eu-west-1 is 2, but this job needs 3.",
        3,
    ),
    "bad training config": (
        config("AUGMENTATIONS = ['BLURR']"),
        "model",
        "The training cannot use these settings of the car's config:\n  AUGMENTATIONS: there is no 'BLURR'",
        2,
    ),
    "no price": (
        forbid_the_price_list,
        "price",
        "The price of ml.p3.2xlarge is not known, so SAGEMAKER_MAX_",
        2,
    ),
    "too expensive": (
        settings(MAX_COST_USD=0.5),
        "price",
        "This job could cost 1.03 USD on ml.m5.xlarge,",
        2,
    ),
    "bucket not read": (
        forbid_reading_the_bucket,
        "network",
        f"{USER} is not allowed to use s3:GetObject on ",
        3,
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_each_problem_is_named(name, car):
    """One line is wrong, with the problem and its fix; the exit code depends on whose side it is."""
    cause, subject, text, code = PROBLEMS[name]
    cause(car)
    exit_code, findings = car.read_findings()
    wrong = [(check, found, fix) for check, state, found, fix in findings if state == "wrong"]
    assert len(wrong) == 1, findings
    check, found, fix = wrong[0]
    assert (check, exit_code) == (subject, code), wrong
    assert found.startswith(text.format(car=car.path)), found
    assert fix and "Traceback" not in car.out
