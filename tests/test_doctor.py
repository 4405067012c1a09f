"""sagemaker-doctor: a healthy car and account, and each way in which one can be ill."""

import json
import os
from importlib.util import find_spec

import pytest

pytest.importorskip("boto3")

from donkey_sagemaker import cli
from donkey_sagemaker.aws import connection
from donkey_sagemaker.commands import doctor
from tub_factory import make_v2, write

CAR = "donkeycar 5.3.0, tflite-runtime 2.14.0, python 3.11"


class Patient:
    """A car whose myconfig.py knows the stand-in's account, and a doctor for it."""

    def __init__(self, path, aws, monkeypatch, capsys):
        self.path = path
        self.aws = aws
        self.monkeypatch = monkeypatch
        self._capsys = capsys
        self.settings = {
            "REGION": aws.region,
            "BUCKET": aws.bucket,
            "ROLE_ARN": aws.role_arn,
            "ENDPOINT_URL": aws.endpoint_url,
            "CAR": CAR,
        }
        self.out = self.err = ""

    def sets(self, **settings):
        self.settings.update(settings)

    def configures(self, line):
        self.append("config.py", line)

    def append(self, name, text):
        with open(str(self.path / name), "a") as file:
            file.write(text + "\n")

    def sees_the_doctor(self, *words):
        """The exit code."""
        with open(str(self.path / "myconfig.py"), "w") as file:
            for name, value in self.settings.items():
                file.write(f"SAGEMAKER_{name} = {value!r}\n")
        code = cli.main(["doctor", *words], car_path=str(self.path))
        self.out, self.err = self._capsys.readouterr()
        assert "of-the-stand-in" not in self.out + self.err  # the secret key
        return code

    def is_told(self):
        """What is found as [(check, state, found, fix)], and the exit code."""
        code = self.sees_the_doctor("--json")
        assert self.err == ""
        return code, [
            (each["check"], each["state"], each["found"], each["fix"]) for each in json.loads(self.out)
        ]


@pytest.fixture
def patient(tmp_path, aws, monkeypatch, capsys):
    """A healthy one."""
    for name, value in aws.environment.items():
        if name.startswith("AWS_") and name != "AWS_DEFAULT_REGION":
            monkeypatch.setenv(name, value)
    impatient = connection.Timing(pauses_s=(), transfer_pauses_s=())
    monkeypatch.setattr(connection, "DEFAULT_TIMING", impatient)
    path = tmp_path / "mycar"
    path.mkdir()
    (path / "config.py").write_text("DEFAULT_MODEL_TYPE = 'linear'\n")
    make_v2(path / "data", 10, deleted=[3])
    return Patient(path, aws, monkeypatch, capsys)


def test_a_healthy_car_and_account(patient, aws):
    """A line for each check, and nothing to do."""
    aws.client("s3").put_object(Bucket=aws.bucket, Key="donkeycar/shards/0.zip", Body=b"x" * 200000)
    assert patient.sees_the_doctor() == 0, patient.out
    lines = patient.out.splitlines()
    assert all(line.startswith("ok ") for line in lines), patient.out
    told = [line.split(None, 2)[1:] for line in lines]
    assert [subject for subject, _text in told] == (
        "car runtime model disk folders tub place credentials clock bucket role request image quota quota "
        "price network"
    ).split()
    texts = dict(told)
    assert texts["runtime"] == "Python 3.11, donkeycar 5.3.0, tflite-runtime 2.14.0"
    assert texts["model"] == "linear, as tflite, h5"
    assert texts["tub"].startswith("9 good records in data, 1 deleted, ")
    assert texts["place"] == "trains on AWS in eu-west-1"
    assert texts["credentials"] == "arn:aws:iam::123456789012:user/donkey, does not expire"
    assert texts["bucket"] == "donkey-stand-in in eu-west-1"
    assert texts["quota"] == "ml.m5.xlarge for spot training job usage is 1"
    assert texts["price"] == (
        "0.257 USD an hour (ml.m5.xlarge in eu-west-1, from AWS's price list today); this job likely "
        "0.006 USD in 90 s (30 epochs, reckoned before its first job), at most 1.03 USD"
    )
    assert texts["network"].startswith("fetched 0.2 MB in ")


def test_the_doctor_only_looks(patient, aws):
    """Nothing is put, started or written; the account is asked with words that read."""
    before = sorted(os.listdir(str(patient.path / "data")))
    assert patient.sees_the_doctor() == 0
    assert sorted(os.listdir(str(patient.path / "data"))) == before
    assert {each["operation"] for each in aws.requests()} == {
        "GetCallerIdentity",
        "GetBucketLocation",
        "ListObjectsV2",
        "GetRole",
        "DescribeImages",
        "ListServiceQuotas",
        "GetProducts",
    }


def test_a_car_that_trains_on_this_machine(patient):
    """Needs no account; what cannot train here is told."""
    patient.sets(BACKEND="local", PYTHON="/nowhere/python")
    code, told = patient.is_told()
    assert code == 2
    assert told[-1] == (
        "place",
        "wrong",
        "SAGEMAKER_PYTHON = '/nowhere/python' cannot be run.",
        "Set it to the path of a Python, such as ~/env/bin/python.",
    )


def test_a_temporary_login_is_told(patient):
    """With a session token a login ends some time."""
    patient.monkeypatch.setenv("AWS_SESSION_TOKEN", "secret-of-a-session")
    code, told = patient.is_told()
    assert code == 0 and "secret-of-a-session" not in patient.out
    (found,) = [found for check, _state, found, _fix in told if check == "credentials"]
    assert found == "arn:aws:iam::123456789012:user/donkey, temporary"


def test_the_end_of_a_login_is_told(patient):
    """Where whoever gave the credentials said it."""
    login = {
        "Version": 1,
        "AccessKeyId": os.environ["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": "of-the-stand-in",
        "SessionToken": "secret-of-a-session",
        "Expiration": "2099-01-02T03:04:05+01:00",
    }
    take_keys_away(patient)
    (patient.path / "login.json").write_text(json.dumps(login))
    (patient.path / "aws_config").write_text(
        "[default]\ncredential_process = cat {}\n".format(patient.path / "login.json")
    )
    patient.monkeypatch.setenv("AWS_CONFIG_FILE", str(patient.path / "aws_config"))
    code, told = patient.is_told()
    assert code == 0 and "secret-of-a-session" not in patient.out
    (found,) = [found for check, _state, found, _fix in told if check == "credentials"]
    assert found == "arn:aws:iam::123456789012:user/donkey, valid until 2099-01-02 02:04 UTC"


def test_auto_is_weighed_by_quota(patient):
    """The types without quota are no illness where others have it, and the price is that of the best."""
    patient.sets(INSTANCE_TYPE="auto")
    code, told = patient.is_told()
    assert code == 0
    states = [state for check, state, _found, _fix in told if check == "quota"]
    assert states.count("fine") == 6 and states.count("unknown") == 6
    (price,) = [found for check, _state, found, _fix in told if check == "price"]
    assert "(ml.m5.large in" in price


def put_own_tub_aside(patient):
    (patient.path / "data").rename(patient.path / "elsewhere")


def fill_tub_with_nonsense(patient):
    put_own_tub_aside(patient)
    make_v2(patient.path / "data", 2, lines={0: b"{", 1: b"\0\0"})


def put_a_file_in_place_of(name):
    def make(patient):
        (patient.path / name).write_text("no folder")

    return make


def make_the_disk_full(patient):
    patient.monkeypatch.setattr(doctor, "NEEDED_BYTES", 1 << 60)


def take_keys_away(patient):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patient.monkeypatch.delenv(name)


def break_the_aws_config(patient):
    path = patient.path / "aws_config"
    path.write_text("[profile\n")
    patient.monkeypatch.setenv("AWS_CONFIG_FILE", str(path))


def log_in_by_sso(patient):
    """As a profile that `aws configure sso` made, without the login itself."""
    take_keys_away(patient)
    path = patient.path / "aws_config"
    path.write_text(
        "[default]\nsso_start_url = http://127.0.0.1:9/start\nsso_region = eu-west-1\n"
        "sso_account_id = 123456789012\nsso_role_name = admin\n"
    )
    patient.monkeypatch.setenv("AWS_CONFIG_FILE", str(path))


def log_in_by_a_program(patient):
    take_keys_away(patient)
    path = patient.path / "aws_config"
    path.write_text("[default]\ncredential_process = cat /nowhere/login.json\n")
    patient.monkeypatch.setenv("AWS_CONFIG_FILE", str(path))


def use_an_empty_profile(patient):
    take_keys_away(patient)
    path = patient.path / "aws_config"
    path.write_text("[profile racer]\nregion = eu-west-1\n")
    patient.monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    patient.monkeypatch.setenv("AWS_PROFILE", "racer")


def forget_the_price(patient):
    patient.sets(INSTANCE_TYPE="ml.p3.2xlarge", MAX_COST_USD=100)
    patient.aws.set(denied=["pricing:*"], quotas={"ml.p3.2xlarge for training job usage": 1})


def make_a_bucket_elsewhere(patient):
    patient.aws.client("s3", region_name="us-east-1").create_bucket(Bucket="far-away")
    patient.sets(BUCKET="far-away")


def make_a_role_of_ec2(patient):
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    patient.aws.client("iam").create_role(
        RoleName="of-ec2", AssumeRolePolicyDocument=json.dumps({"Statement": [statement]}), Path="/"
    )
    patient.sets(ROLE_ARN="arn:aws:iam::123456789012:role/of-ec2")


def hide_what_is_in_the_bucket(patient):
    patient.aws.client("s3").put_object(Bucket=patient.aws.bucket, Key="donkeycar/shards/0.zip", Body=b"x")
    patient.aws.set(denied=["s3:GetObject"])


def sets(**settings):
    return lambda patient: patient.sets(**settings)


def configures(line):
    return lambda patient: patient.configures(line)


def account(**values):
    return lambda patient: patient.aws.set(**values)


def fault(kind, **fault):
    return lambda patient: patient.aws.fault(kind, times=None, **fault)


IMAGE = "123456789012.dkr.ecr.{}.amazonaws.com/donkey-sagemaker:dk53-cpu"

# What is done to the patient, the line that is wrong, how its text begins, and the exit code
ILLNESSES = {
    "no car": (
        lambda patient: (patient.path / "config.py").unlink(),
        "car",
        "{car}/config.py does not exist",
        2,
    ),
    "broken config": (
        configures("x = ("),
        "car",
        "{car}/config.py cannot be loaded because of an error in line 2: SyntaxError",
        2,
    ),
    "config raises": (
        configures("import nothing_of_that_name"),
        "car",
        "{car}/config.py cannot be loaded because of an error in line 2",
        2,
    ),
    "unknown setting": (sets(BUKET="x"), "car", "Some settings are invalid:\n  SAGEMAKER_BUKET", 2),
    "bad setting": (sets(BUCKET="My Bucket"), "car", "Some settings are invalid:\n  SAGEMAKER_BUCKET", 2),
    "bad car": (sets(CAR="a bike"), "runtime", "SAGEMAKER_CAR = 'a bike' is invalid: ", 2),
    "no car file": (
        sets(CAR="car.json"),
        "runtime",
        "SAGEMAKER_CAR = 'car.json' is invalid: the file cannot be read",
        2,
    ),
    "bad type": (configures("DEFAULT_MODEL_TYPE = 'fly'"), "model", "donkeycar 5.3.0 cannot train models", 2),
    "no lite model": (configures("DEFAULT_MODEL_TYPE = '3d'"), "model", "A 3d model cannot be converted", 2),
    "disk full": (make_the_disk_full, "disk", "There are ", 2),
    "models is a file": (put_a_file_in_place_of("models"), "folders", "{car}/models is not a folder that", 2),
    "notes are a file": (put_a_file_in_place_of(".sagemaker"), "folders", "{car}/.sagemaker is not a", 2),
    "no data": (put_own_tub_aside, "tub", "There is no folder {car}/data.", 2),
    "empty data": (
        lambda patient: (put_own_tub_aside(patient), (patient.path / "data").mkdir()),
        "tub",
        "There is no tub in {car}/data",
        2,
    ),
    "bad records": (fill_tub_with_nonsense, "tub", "data holds no record that can be trained on (", 2),
    "no region": (sets(REGION=None), "place", "No AWS region is set.", 2),
    "no profile": (
        sets(PROFILE="nobody"),
        "place",
        "There is no AWS profile named nobody [ProfileNotFound].",
        2,
    ),
    "bad aws config": (break_the_aws_config, "place", "The AWS settings of this machine cannot be used [", 2),
    "no keys": (take_keys_away, "credentials", "There are no AWS credentials on this machine [", 2),
    "unknown keys": (
        lambda patient: patient.monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFNOBODY"),
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
    "a login that cannot be asked": (
        log_in_by_a_program,
        "credentials",
        "The AWS credentials of this machine cannot be had [CredentialRetrievalError]: Error when ",
        2,
    ),
    "no sso login": (log_in_by_sso, "credentials", "Your AWS login has expired [SSOTokenLoadError].", 3),
    "not signed up": (
        fault("error", operation="GetCallerIdentity", status=403, code="OptInRequired"),
        "credentials",
        "This AWS account is not ready for use [OptInRequired]",
        3,
    ),
    "clock far off": (account(skew_s=3600), "credentials", "The clock of this machine says ", 3),
    "clock off": (account(skew_s=280), "clock", "The clock of this machine says ", 3),
    "no network": (sets(ENDPOINT_URL="http://127.0.0.1:9"), "credentials", "AWS cannot be reached [", 3),
    "cut line": (fault("refuse"), "credentials", "AWS cannot be reached [", 3),
    "busy": (
        fault("error", operation="GetRole", status=503),
        "role",
        "AWS put GetRole off again and again",
        3,
    ),
    "bucket not set": (sets(BUCKET=None), "bucket", "SAGEMAKER_BUCKET is not set", 2),
    "no bucket": (
        sets(BUCKET="gone-away"),
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
        make_a_bucket_elsewhere,
        "bucket",
        "The bucket far-away is in us-east-1, the job",
        3,
    ),
    "bucket not listed": (
        account(denied=["s3:ListBucket"]),
        "bucket",
        "arn:aws:iam::123456789012:user/donkey is not allowed to use s3:ListBucket on "
        "arn:aws:s3:::donkey-stand-in",
        3,
    ),
    "role not set": (sets(ROLE_ARN=None), "role", "SAGEMAKER_ROLE_ARN is not set", 2),
    "no role": (
        sets(ROLE_ARN="arn:aws:iam::123456789012:role/gone"),
        "role",
        "The role arn:aws:iam::123456789012:role/gone is not there [NoSuchEntity].",
        3,
    ),
    "another's role": (
        sets(ROLE_ARN="arn:aws:iam::999999999999:role/other"),
        "role",
        "The role arn:aws:iam::999999999999:role/other is not one of your account 123456789012.",
        3,
    ),
    "role of another service": (
        make_a_role_of_ec2,
        "role",
        "The role arn:aws:iam::123456789012:role/of-ec2 does not trust SageMaker.",
        3,
    ),
    "no image": (
        sets(IMAGE=IMAGE.format("eu-west-1")),
        "image",
        "There is no image donkey-sagemaker:dk53-cpu",
        3,
    ),
    "image elsewhere": (
        sets(IMAGE=IMAGE.format("us-east-1")),
        "image",
        "The job is to run in eu-west-1, but",
        2,
    ),
    "no quota": (
        sets(INSTANCE_TYPE="ml.g5.xlarge"),
        "quota",
        "This account's quota for ml.g5.xlarge for training job usage in eu-west-1 is 0, this job needs 1.",
        3,
    ),
    "no spot quota": (
        lambda patient: (
            patient.sets(SPOT=True),
            patient.aws.set(quotas={"ml.m5.xlarge for spot training job usage": 0}),
        ),
        "quota",
        "This account's quota for ml.m5.xlarge for spot training job usage in eu-west-1 is 0",
        3,
    ),
    "too many machines": (
        sets(INSTANCE_COUNT=3),
        "quota",
        "This account's quota for ml.m5.xlarge for training job usage in eu-west-1 is 1, this job needs 3.",
        3,
    ),
    "no price": (forget_the_price, "price", "No price is known for ml.p3.2xlarge, so that SAGEMAKER_MAX_", 2),
    "too dear": (sets(MAX_COST_USD=0.5), "price", "This job could cost 1.03 USD on ml.m5.xlarge;", 2),
    "bucket not read": (
        hide_what_is_in_the_bucket,
        "network",
        "arn:aws:iam::123456789012:user/donkey is not allowed to use s3:GetObject on ",
        3,
    ),
}


@pytest.mark.parametrize("name", ILLNESSES)
def test_each_illness_is_named_rightly(name, patient):
    """One line is wrong, it says what and what to do, the exit code tells whose side it is on."""
    infect, subject, text, code = ILLNESSES[name]
    infect(patient)
    exit_code, told = patient.is_told()
    wrong = [(check, found, fix) for check, state, found, fix in told if state == "wrong"]
    assert len(wrong) == 1, told
    check, found, fix = wrong[0]
    assert (check, exit_code) == (subject, code), wrong
    assert found.startswith(text.format(car=patient.path)), found
    assert fix and "Traceback" not in patient.out


# What cannot be looked at is neither fine nor wrong.
BLINDNESS = {
    "role": ("iam:GetRole", "arn:aws:iam::123456789012:user/donkey is not allowed to use iam:GetRole on "),
    "quota": (
        "servicequotas:*",
        "arn:aws:iam::123456789012:user/donkey is not allowed to use servicequotas:ListServiceQuotas on ",
    ),
}


@pytest.mark.parametrize("subject", BLINDNESS)
def test_what_may_not_be_looked_at_is_told(subject, patient):
    """Training may do without it."""
    action, text = BLINDNESS[subject]
    patient.aws.set(denied=[action])
    code, told = patient.is_told()
    assert code == 0
    lines = [(state, found) for check, state, found, _fix in told if check == subject]
    assert lines and all(state == "unknown" and found.startswith(text) for state, found in lines)


def test_several_illnesses_are_told_at_once(patient):
    """In the table what to do stands below; where the car is ill too, its exit code counts."""
    patient.sets(ROLE_ARN=None, INSTANCE_TYPE="ml.g5.xlarge")
    put_own_tub_aside(patient)
    assert patient.sees_the_doctor() == 2
    wrong = [line.split()[1] for line in patient.out.splitlines() if line.startswith("WRONG")]
    assert wrong == ["tub", "role", "quota"]
    assert (
        f"WRONG  tub         There is no folder {patient.path}/data.\n"
        "                   To do: Pass --tub the folder of a tub, a folder of tubs, or several of them "
        "separated by commas.\n"
    ) in patient.out


def test_bad_records_beside_good_ones_are_counted(patient):
    """They are set aside in a training, and no illness."""
    write(patient.path / "data", "images/2_cam_image_array_.jpg", b"")
    code, told = patient.is_told()
    (found,) = [found for check, _state, found, _fix in told if check == "tub"]
    assert code == 0 and found.startswith("8 good records in data, 1 deleted, 1 x ")


@pytest.mark.skipif(find_spec("donkeycar") is None, reason="the file tells what this Python's donkeycar is")
def test_a_car_is_described_for_another_machine(patient):
    """The file is what SAGEMAKER_CAR reads there."""
    assert patient.sees_the_doctor("--car") == 0
    path = patient.path / "car.json"
    assert patient.out == (
        f"Written: {path}. Copy it into the car's folder on the machine that trains, and set SAGEMAKER_CAR = "
        "'car.json' in the myconfig.py there.\n"
    )
    patient.sets(CAR="car.json")
    code, told = patient.is_told()
    (found,) = [found for check, _state, found, _fix in told if check == "runtime"]
    assert code == 0 and "donkeycar " in found
