"""sagemaker-setup on the AWS stand-in: the account from nothing and back to nothing, and what goes wrong."""

import os
import subprocess

import pytest

from donkey_sagemaker import cli
from donkey_sagemaker.aws.stack import Stack
from donkey_sagemaker.commands import setup

BUCKET = "donkey-sagemaker-bucket-1a2b3c"
ROLE_ARN = "arn:aws:iam::123456789012:role/donkey-sagemaker-JobRole-1A2B3C"
POLICY_ARN = "arn:aws:iam::123456789012:policy/donkey-sagemaker-CarPolicy-1A2B3C"
USER = "arn:aws:iam::123456789012:user/donkey"
MARK = "  # written by donkey-sagemaker"
PLAN = """\
  make    Bucket         AWS::S3::Bucket
  make    BucketPolicy   AWS::S3::BucketPolicy
  make    JobRole        AWS::IAM::Role
  make    CarPolicy      AWS::IAM::ManagedPolicy
  make    Images         AWS::ECR::Repository
  make    BuildLog       AWS::Logs::LogGroup
  make    BuildRole      AWS::IAM::Role
  make    ImageBuilder   AWS::CodeBuild::Project
"""
COST = """\
None of this costs anything while it lies idle. A gigabyte in the bucket is about 0.03 USD a month, one of \
images 0.10, a minute of building an image 0.005; a job is what `train --dry-run` says.
"""
NOTHING = "A dry run: nothing was changed.\n"
FOR_ADMINISTRATOR = (
    "Run it as an administrator of the AWS account, or give them what "
    "`python manage.py sagemaker-setup --print` prints.\n"
)


class Owner:
    """A car's owner at the terminal."""

    def __init__(self, path, capsys):
        self.path = path
        self._capsys = capsys
        self.out = self.err = ""

    def types(self, *words):
        """Runs a command in the car; its exit code."""
        code = cli.main(list(words), car_path=str(self.path))
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def settings(self):
        """The lines of myconfig.py."""
        return (self.path / "myconfig.py").read_text().splitlines()


@pytest.fixture
def owner(tmp_path, aws, monkeypatch, capsys):
    """A car in an account that has nothing for it yet."""
    for name, value in aws.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(Stack, "poll_s", 0.0)
    car = tmp_path / "mycar"
    car.mkdir()
    (car / "config.py").write_text("MAX_EPOCHS = 1\n")
    (car / "myconfig.py").write_text(f"SAGEMAKER_ENDPOINT_URL = {aws.endpoint_url!r}\n")
    return Owner(car, capsys)


def stacks(aws):
    """What the account still has of it."""
    buckets = [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]
    roles = [each["RoleName"] for each in aws.client("iam").list_roles()["Roles"]]
    repositories = [
        each["repositoryName"] for each in aws.client("ecr").describe_repositories()["repositories"]
    ]
    return [name for name in buckets + roles + repositories if name.startswith("donkey-sagemaker")]


def test_from_nothing_and_back(owner, aws):
    """Setup makes all, tells what and at what cost, and writes myconfig.py; teardown leaves nothing."""
    before = stacks(aws)
    first = owner.settings
    assert owner.types("setup") == 0
    assert owner.out == (
        "Account 123456789012, eu-west-1\n"
        + PLAN
        + COST
        + "".join(f"  CREATE_COMPLETE           {line.split()[1]}\n" for line in PLAN.splitlines())
        + "  CREATE_COMPLETE           donkey-sagemaker\n"
        "myconfig.py: SAGEMAKER_REGION = 'eu-west-1'\n"
        f"myconfig.py: SAGEMAKER_BUCKET = '{BUCKET}'\n"
        f"myconfig.py: SAGEMAKER_ROLE_ARN = '{ROLE_ARN}'\n"
        f"What the car may do is in the policy {POLICY_ARN}.\n"
        "Give it to the car's own IAM user:\n"
        "  python manage.py sagemaker-setup --user=NAME\n"
    )
    assert owner.settings == first + [
        "SAGEMAKER_REGION = 'eu-west-1'" + MARK,
        f"SAGEMAKER_BUCKET = '{BUCKET}'" + MARK,
        f"SAGEMAKER_ROLE_ARN = '{ROLE_ARN}'" + MARK,
    ]
    s3 = aws.client("s3")
    for number in range(3):
        s3.put_object(Bucket=BUCKET, Key=f"donkeycar/{number}", Body=b"x" * 1000)
    aws.push_image("donkey-sagemaker", "dk54-cpu")
    assert owner.types("setup", "--teardown", "--yes") == 0
    assert owner.out.splitlines()[:3] == [
        "To be deleted, in account 123456789012, eu-west-1:",
        "  the stack donkey-sagemaker: roles, policy, images, builder, budget",
        f"  the bucket {BUCKET} with 3 objects, 3.0 kB",
    ]
    assert stacks(aws) == before
    assert owner.settings == first + [
        "SAGEMAKER_REGION = 'eu-west-1'" + MARK,
        "SAGEMAKER_BUCKET = None" + MARK,
        "SAGEMAKER_ROLE_ARN = None" + MARK,
    ]
    assert owner.types("setup", "--teardown") == 0
    assert owner.out == "There is no stack donkey-sagemaker in eu-west-1: nothing to delete.\n"


def test_dry_run_leaves_nothing(owner, aws):
    """It tells the plan, and takes the change set and its empty stack back."""
    before, first = stacks(aws), owner.settings
    assert owner.types("setup", "--dry-run") == 0
    assert owner.out == "Account 123456789012, eu-west-1\n" + PLAN + COST + NOTHING
    assert stacks(aws) == before and owner.settings == first
    assert not aws.requests("cloudformation", "ExecuteChangeSet")
    assert owner.types("setup", "--teardown") == 0
    assert owner.out == "There is no stack donkey-sagemaker in eu-west-1: nothing to delete.\n"


def test_again_changes_only_what_is_asked(owner, aws):
    """A second run finds all up to date; an option changes its part and is kept by the next run."""
    assert owner.types("setup") == 0
    assert owner.types("setup") == 0
    assert owner.out == "Account 123456789012, eu-west-1\nAll is there already, and up to date.\n"
    aws.client("iam").create_user(UserName="blue")
    words = ["--user=blue", "--keep-days=7", "--budget=5", "--email=me@example.com"]
    assert owner.types("setup", *words) == 0
    assert owner.out.splitlines()[1:4] == [
        "  change  Bucket         AWS::S3::Bucket",
        "  change  CarPolicy      AWS::IAM::ManagedPolicy",
        "  make    Budget         AWS::Budgets::Budget",
    ]
    attached = aws.client("iam").list_attached_user_policies(UserName="blue")["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [POLICY_ARN]
    assert owner.types("setup") == 0
    assert owner.out.endswith("All is there already, and up to date.\n")
    assert owner.types("setup", "--teardown", "--yes") == 0


def test_a_teardown_is_confirmed(owner, aws, monkeypatch):
    """Nothing is deleted without the name being typed, and nothing where nobody can type."""
    assert owner.types("setup") == 0
    assert owner.types("setup", "--teardown") == 2
    assert (
        owner.err == "Nothing was deleted: it was not confirmed.\n"
        "Type the name that is asked for, or give --yes where nobody can type.\n"
    )
    assert owner.types("setup", "--teardown", "--yes", "--dry-run") == 0
    assert owner.out.endswith(" with 0 objects, 0.0 kB\n" + NOTHING)
    assert not aws.requests("cloudformation", "DeleteStack")
    questions = []

    def answer(_ui, question):
        questions.append(question)
        return "donkey-sagemaker"

    monkeypatch.setattr(setup.PlainUi, "ask_for", answer)
    assert owner.types("setup", "--teardown") == 0
    assert questions == ["Type donkey-sagemaker to delete all that for good:"]
    assert stacks(aws) == ["donkey-sagemaker"]  # the stand-in's own role


@pytest.mark.parametrize("phase", ["Starting", "Uploading"])
def test_a_teardown_waits_for_jobs(owner, aws, phase):
    """A job that runs would lose its bucket; one that was stopped still has its model to upload."""
    assert owner.types("setup") == 0
    aws.fault("error", operation="DeleteStack", times=None)
    aws.set(phase_s={phase: 1000})
    aws.image("*", command=["true"])
    uri = aws.push_image("donkey-sagemaker", "dk54-cpu")
    aws.client("s3").put_object(Bucket=BUCKET, Key="donkeycar/x", Body=b"")
    aws.client("sagemaker").create_training_job(
        TrainingJobName="donkey-first",
        AlgorithmSpecification={"TrainingImage": uri, "TrainingInputMode": "File"},
        RoleArn=ROLE_ARN,
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/donkeycar/models"},
        ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 100},
    )
    aws.wait_for_job("donkey-first", phase)
    if phase == "Uploading":
        aws.client("sagemaker").stop_training_job(TrainingJobName="donkey-first")
    assert owner.types("setup", "--teardown", "--yes") == 2
    assert (
        owner.err == "Nothing was deleted: donkey-first still runs.\n"
        "Wait, or stop it with `python manage.py sagemaker-stop donkey-first`.\n"
    )


def test_a_name_that_is_taken(owner, aws):
    """A repository made by hand is in the way: AWS tells it before anything is made."""
    aws.push_image("donkey-sagemaker", "by-hand")
    assert owner.types("setup") == 3
    assert (
        owner.err
        == "The stack donkey-sagemaker cannot be made: something of a name that it needs is there already,"
        " made "
        "by other means [AWS::EarlyValidation::ResourceExistenceCheck].\n"
        "Delete what there is of these, then start again:\n"
        "  aws ecr delete-repository --region eu-west-1 --repository-name donkey-sagemaker --force\n"
        "  aws codebuild delete-project --region eu-west-1 --name donkey-sagemaker\n"
        "  aws logs delete-log-group --region eu-west-1 --log-group-name /aws/codebuild/donkey-sagemaker\n"
    )
    assert stacks(aws) == ["donkey-sagemaker", "donkey-sagemaker"]  # the role and the repository from before
    assert not aws.requests("cloudformation", "ExecuteChangeSet")
    aws.client("ecr").delete_repository(repositoryName="donkey-sagemaker", force=True)
    assert owner.types("setup") == 0


def test_the_first_failed_resource_is_told(owner, aws):
    """All that was made is taken back, and the next try begins anew."""
    assert owner.types("setup", "--user=nobody") == 3
    assert (
        owner.err
        == "The stack donkey-sagemaker could not be made: CarPolicy (AWS::IAM::ManagedPolicy): The user with "
        "name nobody cannot be found. (Service: Iam, Status Code: 404) [ROLLBACK_COMPLETE].\n"
        "Fix that, then run the command again: it cleans up what is left.\n"
    )
    assert stacks(aws) == ["donkey-sagemaker"]  # the stand-in's own role
    assert owner.types("setup", "--dry-run") == 0
    assert owner.out.endswith(
        "An earlier try failed; what is left of it has to be deleted first.\n" + NOTHING
    )
    assert owner.types("setup") == 0


def test_a_stack_that_was_deleted_in_the_console(owner, aws):
    """CloudFormation empties no bucket: what it left is what a teardown deletes."""
    assert owner.types("setup") == 0
    aws.client("s3").put_object(Bucket=BUCKET, Key="donkeycar/x", Body=b"x")
    aws.client("cloudformation").delete_stack(StackName="donkey-sagemaker")
    assert owner.types("setup") == 3
    assert (
        owner.err
        == "The stack donkey-sagemaker could not be deleted: Bucket (AWS::S3::Bucket): The bucket you"
        " tried to "
        "delete is not empty (Service: S3, Status Code: 409) [DELETE_FAILED].\n"
        "Fix that, then delete the rest: `python manage.py sagemaker-setup --teardown`.\n"
    )
    assert owner.types("setup", "--teardown", "--yes") == 0
    assert stacks(aws) == ["donkey-sagemaker"]  # the stand-in's own role


def test_a_bucket_that_is_gone_already(owner, aws):
    """Is in the way of no teardown."""
    assert owner.types("setup") == 0
    aws.client("s3").delete_bucket(Bucket=BUCKET)
    assert owner.types("setup", "--teardown", "--yes") == 0, owner.err
    assert stacks(aws) == ["donkey-sagemaker"]  # the stand-in's own role


def test_a_change_that_fails_is_taken_back(owner):
    """The user to give the policy to is not there."""
    assert owner.types("setup") == 0
    assert owner.types("setup", "--user=nobody") == 3
    assert (
        owner.err
        == "The stack donkey-sagemaker could not be changed: CarPolicy (AWS::IAM::ManagedPolicy): The user"
        " with "
        "name nobody cannot be found. (Service: Iam, Status Code: 404) [UPDATE_ROLLBACK_COMPLETE].\n"
        "Fix that, then run the command again: it cleans up what is left.\n"
    )


def test_who_may_not_make_roles(owner, aws):
    """Whoever is not allowed to is told what to give to the administrator."""
    aws.set(denied=["iam:CreateRole"])
    assert owner.types("setup") == 3
    assert owner.err == (
        f"The stack donkey-sagemaker could not be made: JobRole (AWS::IAM::Role): User: {USER} is not"
        " authorized to perform: iam:CreateRole (Service: IAM, Status Code: 403) [ROLLBACK_COMPLETE].\n"
        + FOR_ADMINISTRATOR
    )
    aws.set(denied=["cloudformation:*"])
    assert owner.types("setup") == 3
    assert owner.err == (
        f"{USER} is not allowed to use cloudformation:DescribeStacks on * [AccessDenied]: no identity-based"
        " policy allows"
        " the cloudformation:DescribeStacks action.\n" + FOR_ADMINISTRATOR
    )
    assert owner.types("setup", "--teardown") == 3
    assert owner.err.endswith("action.\nRun it as an administrator of the AWS account.\n")


def test_what_an_administrator_gets(owner, generation_python, tmp_path):
    """A file that says how it is deployed, that AWS's linter passes, and with the policies in comments."""
    assert owner.types("setup", "--print", "--user=my car") == 0
    head, template = owner.out.split("AWSTemplateFormatVersion")
    assert (
        head == "# Save this as aws.yaml. Then, as an administrator of the AWS account:\n"
        "#   aws cloudformation deploy --region eu-west-1 --stack-name donkey-sagemaker "
        "--capabilities CAPABILITY_IAM \\\n"
        "#     --template-file aws.yaml --parameter-overrides Prefix=donkeycar CarUser='my car'\n"
        "# What comes out of it goes into the car's myconfig.py, as SAGEMAKER_REGION, _BUCKET and "
        "_ROLE_ARN:\n"
        "#   aws cloudformation describe-stacks --region eu-west-1 --stack-name donkey-sagemaker "
        "--query 'Stacks[0].Outputs'\n\n"
    )
    assert '#       "Resource": "arn:aws:iam::123456789012:role/ROLE"' in template.splitlines()
    (tmp_path / "printed.yaml").write_text(owner.out)
    lint = os.path.join(os.path.dirname(generation_python("aws")), "cfn-lint")
    assert (
        subprocess.run([lint, "--regions", "eu-west-1", "--", str(tmp_path / "printed.yaml")]).returncode == 0
    )


@pytest.mark.parametrize(
    "words, told",
    [
        (
            ["--budget=5"],
            (
                "--budget is US dollars a month, at which --email is told: one is nothing without the"
                " other.\nGive both, as --budget=10 --email=you@example.com.\n"
            ),
        ),
        (
            ["--keep-days=0"],
            (
                "--keep-days=0 is not a number from 1 to 3650.\n"
                "Give such a number, or leave --keep-days out: it stays as it is.\n"
            ),
        ),
        (
            ["--budget=1000001", "--email=me@example.com"],
            (
                "--budget=1000001 is not a number from 1 to 1000000.\n"
                "Give such a number, or leave --budget out: it stays as it is.\n"
            ),
        ),
        (
            ["--budget=5", "--email=me"],
            "--email=me is no address that AWS could write to.\nGive it as --email=you@example.com.\n",
        ),
    ],
)
def test_what_cannot_be_asked_for(owner, aws, words, told):
    """It is told before AWS is asked for anything."""
    assert owner.types("setup", *words) == 2
    assert owner.err == told
    assert not aws.requests()


def test_ctrl_c_while_aws_is_at_work(owner, monkeypatch):
    """It is not said that nothing was changed."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "_follow", interrupt)
    assert owner.types("setup") == 130
    assert (
        owner.err == "Interrupted: what AWS has begun, it ends by itself.\n"
        "Come back in some minutes with the same command.\n"
    )


@pytest.mark.parametrize("operation", ["CreateChangeSet", "ExecuteChangeSet", "DeleteStack"])
def test_a_lost_answer(owner, aws, operation):
    """What was done is not done twice, and not taken for refused."""
    aws.fault("lose_response", service="cloudformation", operation=operation)
    assert owner.types("setup") == 0
    assert owner.types("setup", "--teardown", "--yes") == 0
    assert stacks(aws) == ["donkey-sagemaker"]  # the stand-in's own role
