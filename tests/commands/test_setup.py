"""sagemaker-setup on the AWS stand-in: from an empty account and back, and what can go wrong."""

import os
import subprocess

import pytest

from donkey_sagemaker.aws.stack import Stack
from donkey_sagemaker.commands import setup

BUCKET = "donkey-sagemaker-bucket-1a2b3c"
ROLE_ARN = "arn:aws:iam::123456789012:role/donkey-sagemaker-JobRole-1A2B3C"
POLICY_ARN = "arn:aws:iam::123456789012:policy/donkey-sagemaker-CarPolicy-1A2B3C"
USER = "arn:aws:iam::123456789012:user/donkey"
MARK = "  # written by donkey-sagemaker"
PLAN = """\
  create  Bucket         AWS::S3::Bucket
  create  BucketPolicy   AWS::S3::BucketPolicy
  create  JobRole        AWS::IAM::Role
  create  CarJobPolicy   AWS::IAM::ManagedPolicy
  create  CarPolicy      AWS::IAM::ManagedPolicy
  create  Images         AWS::ECR::Repository
  create  BuildLog       AWS::Logs::LogGroup
  create  BuildRole      AWS::IAM::Role
  create  ImageBuilder   AWS::CodeBuild::Project
"""
COST = """\
None of this costs anything while it is not used. A gigabyte in the bucket costs about 0.03 USD a month, a \
gigabyte of images 0.10, building an image 0.005 a minute; `train --dry-run` shows what a job costs.
"""
DRY_RUN = "This was a dry run: nothing was changed.\n"
FOR_ADMINISTRATOR = (
    "Run it as an administrator of the AWS account, or give one the output of "
    "`python manage.py sagemaker-setup --print`.\n"
)


@pytest.fixture
def owner(administrator):
    return administrator


def list_resources(aws):
    """The names of the buckets, roles and repositories that belong to this program."""
    buckets = [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]
    roles = [each["RoleName"] for each in aws.client("iam").list_roles()["Roles"]]
    repositories = [
        each["repositoryName"] for each in aws.client("ecr").describe_repositories()["repositories"]
    ]
    return [name for name in buckets + roles + repositories if name.startswith("donkey-sagemaker")]


def test_from_nothing_and_back(owner, aws):
    """Setup creates everything, reports what it costs, and writes myconfig.py; teardown leaves nothing."""
    before = list_resources(aws)
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
        f"The permissions of a car are in the policy {POLICY_ARN}.\n"
        "Give them to the car's own IAM user:\n"
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
        "  the stack donkey-sagemaker: roles, policy, images, builder, budget, e-mails, queue",
        f"  the bucket {BUCKET} with 3 objects, 3.0 kB",
    ]
    assert list_resources(aws) == before
    assert owner.settings == first + [
        "SAGEMAKER_REGION = 'eu-west-1'" + MARK,
        "SAGEMAKER_BUCKET = None" + MARK,
        "SAGEMAKER_ROLE_ARN = None" + MARK,
    ]
    assert owner.types("setup", "--teardown") == 0
    assert owner.out == "There is no stack donkey-sagemaker in eu-west-1: nothing to delete.\n"


def test_dry_run_leaves_nothing(owner, aws):
    """It prints the plan, and deletes the change set and the empty stack that was created for it."""
    before, first = list_resources(aws), owner.settings
    assert owner.types("setup", "--dry-run") == 0
    assert owner.out == "Account 123456789012, eu-west-1\n" + PLAN + COST + DRY_RUN
    assert list_resources(aws) == before and owner.settings == first
    assert not aws.requests("cloudformation", "ExecuteChangeSet")
    assert owner.types("setup", "--teardown") == 0
    assert owner.out == "There is no stack donkey-sagemaker in eu-west-1: nothing to delete.\n"


def test_a_second_run_changes_only_what_is_asked_for(owner, aws):
    """A second run finds everything up to date; the value of an option is kept by the next run."""
    assert owner.types("setup") == 0
    assert owner.types("setup") == 0
    assert owner.out == "Account 123456789012, eu-west-1\nEverything exists already and is up to date.\n"
    aws.client("iam").create_user(UserName="blue")
    words = ["--user=blue", "--keep-days=7", "--budget=5", "--email=me@example.com"]
    assert owner.types("setup", *words) == 0
    assert owner.out.splitlines()[1:5] == [
        "  change  Bucket         AWS::S3::Bucket",
        "  create  CarRoleBlue164776 AWS::IAM::Role",
        "  change  CarPolicy      AWS::IAM::ManagedPolicy",
        "  create  Budget         AWS::Budgets::Budget",
    ]
    attached = aws.client("iam").list_attached_user_policies(UserName="blue")["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [POLICY_ARN]
    assert owner.types("setup") == 0
    assert owner.out.endswith("Everything exists already and is up to date.\n")
    assert owner.types("setup", "--teardown", "--yes") == 0


def read_stack(aws):
    """The outputs of the stack, and the users and roles with policies of it."""
    (stack,) = aws.client("cloudformation").describe_stacks(StackName="donkey-sagemaker")["Stacks"]
    iam = aws.client("iam")
    users = iam.list_entities_for_policy(PolicyArn=POLICY_ARN)["PolicyUsers"]
    roles = iam.list_roles(PathPrefix="/donkey-sagemaker/")["Roles"]
    return (
        {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]},
        sorted(each["UserName"] for each in users),
        sorted(each["Path"] for each in roles),
    )


def test_each_car_has_a_user_a_folder_and_a_role(owner, aws):
    """A second user does not replace the first one, and one can be removed again."""
    for user in ("blue", "red"):
        aws.client("iam").create_user(UserName=user)
        assert owner.types("setup", "--user=" + user) == 0, owner.err
        outputs, *_ = read_stack(aws)
        (role_arn,) = [arn for arn in outputs.values() if f":role/donkey-sagemaker/{user}/" in arn]
        assert owner.out.endswith(
            f"The car with the key of {user} needs these lines in its myconfig.py:\n"
            f"  SAGEMAKER_REGION = 'eu-west-1'\n  SAGEMAKER_BUCKET = '{BUCKET}'\n"
            f"  SAGEMAKER_ROLE_ARN = '{role_arn}'\n  SAGEMAKER_FOLDER = '{user}'\n"
        )
    assert owner.settings[-2:] == [
        f"SAGEMAKER_ROLE_ARN = '{role_arn}'" + MARK,
        "SAGEMAKER_FOLDER = 'red'" + MARK,
    ]
    assert read_stack(aws)[1:] == (["blue", "red"], ["/donkey-sagemaker/blue/", "/donkey-sagemaker/red/"])
    assert owner.types("setup") == 0
    assert owner.out.endswith("Everything exists already and is up to date.\n")
    assert owner.types("setup", "--remove-user=red") == 0
    assert read_stack(aws)[1:] == (["blue"], ["/donkey-sagemaker/blue/"])
    assert "SAGEMAKER_FOLDER = None" + MARK in owner.settings
    assert owner.types("setup", "--teardown", "--yes") == 0
    assert list_resources(aws) == ["donkey-sagemaker"]


def test_an_account_of_an_earlier_version(owner, aws, monkeypatch):
    """Its only user, named by another parameter, gets a folder and a role; the role of running jobs stays."""
    template = setup.read_template()
    earlier = template.replace("CommaDelimitedList", "String").replace("CarUsers", "CarUser")
    earlier = earlier.replace('!Join ["", !Ref CarUser]', "!Ref CarUser")
    earlier = earlier.replace("!If [HasCarUser, !Ref CarUser,", "!If [HasCarUser, [!Ref CarUser],")
    aws.client("iam").create_user(UserName="blue")
    cloudformation = aws.client("cloudformation")
    arguments = {"StackName": "donkey-sagemaker", "ChangeSetName": "first"}
    cloudformation.create_change_set(
        ChangeSetType="CREATE",
        TemplateBody=earlier,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": "CarUser", "ParameterValue": "blue"}],
        **arguments,
    )
    cloudformation.execute_change_set(**arguments)
    assert owner.types("setup") == 0, owner.err
    assert "SAGEMAKER_FOLDER = 'blue'" + MARK in owner.settings
    outputs, users, roles = read_stack(aws)
    assert (outputs["RoleArn"], users, roles) == (ROLE_ARN, ["blue"], ["/donkey-sagemaker/blue/"])


def test_a_teardown_must_be_confirmed(owner, aws, monkeypatch):
    """Nothing is deleted until the name is typed, and nothing at all where nobody can type."""
    assert owner.types("setup") == 0
    assert owner.types("setup", "--teardown") == 2
    assert (
        owner.err == "Nothing was deleted, because it was not confirmed.\n"
        "Type the name when you are asked for it, or add --yes where nobody can type.\n"
    )
    assert owner.types("setup", "--teardown", "--yes", "--dry-run") == 0
    assert owner.out.endswith(" with 0 objects, 0.0 kB\n" + DRY_RUN)
    assert not aws.requests("cloudformation", "DeleteStack")
    questions = []

    def answer(_ui, question):
        questions.append(question)
        return "donkey-sagemaker"

    monkeypatch.setattr(setup.PlainUi, "ask_for", answer)
    assert owner.types("setup", "--teardown") == 0
    assert questions == ["Type donkey-sagemaker to delete all of this for good:"]
    assert list_resources(aws) == ["donkey-sagemaker"]  # the stand-in's own role


@pytest.mark.parametrize("phase", ["Starting", "Uploading"])
def test_a_teardown_waits_for_jobs(owner, aws, phase):
    """A running job would lose its bucket; a stopped one still has to upload its model."""
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
        owner.err == "Nothing was deleted: donkey-first is still running.\n"
        "Wait, or stop it with `python manage.py sagemaker-stop donkey-first`.\n"
    )


def test_a_resource_that_exists_already(owner, aws):
    """A repository created by hand is in the way: AWS reports it before anything is created."""
    aws.push_image("donkey-sagemaker", "by-hand")
    assert owner.types("setup") == 3
    assert (
        owner.err
        == "The stack donkey-sagemaker cannot be created: a resource with a name that it needs already "
        "exists outside the stack [AWS::EarlyValidation::ResourceExistenceCheck].\n"
        "Delete those of these resources that exist, then run the command again:\n"
        "  aws ecr delete-repository --region eu-west-1 --repository-name donkey-sagemaker --force\n"
        "  aws codebuild delete-project --region eu-west-1 --name donkey-sagemaker\n"
        "  aws logs delete-log-group --region eu-west-1 --log-group-name /aws/codebuild/donkey-sagemaker\n"
    )
    assert list_resources(aws) == [
        "donkey-sagemaker",
        "donkey-sagemaker",
    ]  # the role and the repository from before
    assert not aws.requests("cloudformation", "ExecuteChangeSet")
    aws.client("ecr").delete_repository(repositoryName="donkey-sagemaker", force=True)
    assert owner.types("setup") == 0


def test_the_first_failed_resource_is_named(owner, aws):
    """AWS deletes what it has created, and the next run starts from the beginning."""
    assert owner.types("setup", "--user=nobody") == 3
    assert (
        owner.err
        == "The stack donkey-sagemaker could not be created: CarPolicy (AWS::IAM::ManagedPolicy): The user "
        "with name nobody cannot be found. (Service: Iam, Status Code: 404) [ROLLBACK_COMPLETE].\n"
        "Fix that, then run the command again: it cleans up what is left.\n"
    )
    assert list_resources(aws) == ["donkey-sagemaker"]  # the stand-in's own role
    assert owner.types("setup", "--dry-run") == 0
    assert owner.out.endswith(
        "An earlier attempt failed. What is left of it has to be deleted first.\n" + DRY_RUN
    )
    assert owner.types("setup") == 0


def test_a_stack_that_was_deleted_in_the_console(owner, aws):
    """CloudFormation does not empty buckets: a teardown deletes what it left."""
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
    assert list_resources(aws) == ["donkey-sagemaker"]  # the stand-in's own role


def test_a_teardown_after_the_bucket_was_deleted(owner, aws):
    """The rest of the stack is deleted all the same."""
    assert owner.types("setup") == 0
    aws.client("s3").delete_bucket(Bucket=BUCKET)
    assert owner.types("setup", "--teardown", "--yes") == 0, owner.err
    assert list_resources(aws) == ["donkey-sagemaker"]  # the stand-in's own role


def test_a_failed_update_is_rolled_back(owner):
    """The user who should get the policy does not exist."""
    assert owner.types("setup") == 0
    assert owner.types("setup", "--user=nobody") == 3
    assert (
        owner.err
        == "The stack donkey-sagemaker could not be updated: CarPolicy (AWS::IAM::ManagedPolicy): The user "
        "with name nobody cannot be found. (Service: Iam, Status Code: 404) [UPDATE_ROLLBACK_COMPLETE].\n"
        "Fix that, then run the command again: it cleans up what is left.\n"
    )


def test_a_caller_who_is_not_allowed_to_create_roles(owner, aws):
    """The message says what to give to an administrator."""
    aws.set(denied=["iam:CreateRole"])
    assert owner.types("setup") == 3
    assert owner.err == (
        f"The stack donkey-sagemaker could not be created: JobRole (AWS::IAM::Role): User: {USER} is not"
        " authorized to perform: iam:CreateRole (Service: IAM, Status Code: 403) [ROLLBACK_COMPLETE].\n"
        + FOR_ADMINISTRATOR
    )
    aws.set(denied=["cloudformation:*"])
    assert owner.types("setup") == 3
    assert owner.err == (
        f"{USER} is not allowed to use cloudformation:DescribeStacks on * [AccessDenied]: no "
        "identity-based policy allows the cloudformation:DescribeStacks action.\n" + FOR_ADMINISTRATOR
    )
    assert owner.types("setup", "--teardown") == 3
    assert owner.err.endswith("action.\nRun it as an administrator of the AWS account.\n")


def test_the_output_for_an_administrator(owner, generation_python, tmp_path):
    """A template that AWS's linter accepts, with instructions and the policies in comments."""
    assert owner.types("setup", "--print", "--user=blue") == 0
    head, template = owner.out.split("AWSTemplateFormatVersion")
    assert (
        head == "# Save this as aws.yaml. Then, as an administrator of the AWS account, run:\n"
        "#   aws cloudformation deploy --region eu-west-1 --stack-name donkey-sagemaker "
        "--capabilities CAPABILITY_IAM \\\n"
        "#     --template-file aws.yaml --parameter-overrides Prefix=donkeycar CarUsers=blue\n"
        "# Its outputs go into the car's myconfig.py, as SAGEMAKER_REGION, SAGEMAKER_BUCKET and "
        "SAGEMAKER_ROLE_ARN.\n# The role is that of the car's IAM user, whose name is SAGEMAKER_FOLDER:\n"
        "#   aws cloudformation describe-stacks --region eu-west-1 --stack-name donkey-sagemaker "
        "--query 'Stacks[0].Outputs'\n\n"
    )
    assert (
        '#       "Resource": "arn:aws:iam::123456789012:role/donkey-sagemaker/blue/*"'
        in template.splitlines()
    )
    (tmp_path / "printed.yaml").write_text(owner.out)
    lint = os.path.join(os.path.dirname(generation_python("aws")), "cfn-lint")
    assert (
        subprocess.run([lint, "--regions", "eu-west-1", "--", str(tmp_path / "printed.yaml")]).returncode == 0
    )


@pytest.mark.parametrize(
    "words, error",
    [
        (
            ["--budget=5"],
            (
                "--budget (US dollars a month) needs --email, the address to warn.\n"
                "Give both: --budget=10 --email=you@example.com.\n"
            ),
        ),
        (
            ["--keep-days=0"],
            (
                "--keep-days=0 is not a number from 1 to 3650.\n"
                "Give a number in that range, or leave --keep-days out to keep what is set.\n"
            ),
        ),
        (
            ["--budget=5", "--no-email"],
            (
                "--budget (US dollars a month) needs --email, the address to warn.\n"
                "Give both: --budget=10 --email=you@example.com.\n"
            ),
        ),
        (
            ["--budget=1000001", "--email=me@example.com"],
            (
                "--budget=1000001 is not a number from 1 to 1000000.\n"
                "Give a number in that range, or leave --budget out to keep what is set.\n"
            ),
        ),
        (
            ["--budget=5", "--email=me"],
            "--email=me is not an e-mail address.\nGive one like --email=you@example.com.\n",
        ),
        (
            ["--user=my car"],
            (
                "my car cannot be the user of a car: its name is also that of the car's folder in the "
                "bucket.\nCreate an IAM user for the car with a name of up to 64 letters, digits and _.=-, "
                "and give its name with --user.\n"
            ),
        ),
    ],
)
def test_invalid_options(owner, aws, words, error):
    """They are reported before any request is sent to AWS."""
    assert owner.types("setup", *words) == 2
    assert owner.err == error
    assert not aws.requests()


def test_ctrl_c_while_aws_is_working(owner, monkeypatch):
    """The message does not claim that nothing was changed."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "execute", interrupt)
    assert owner.types("setup") == 130
    assert (
        owner.err == "Interrupted. AWS finishes what it has begun.\n"
        "Run the same command again in a few minutes.\n"
    )


@pytest.mark.parametrize("operation", ["CreateChangeSet", "ExecuteChangeSet", "DeleteStack"])
def test_a_lost_response(owner, aws, operation):
    """Nothing is done twice, and the command does not fail."""
    aws.fault("lose_response", service="cloudformation", operation=operation)
    assert owner.types("setup") == 0
    assert owner.types("setup", "--teardown", "--yes") == 0
    assert list_resources(aws) == ["donkey-sagemaker"]  # the stand-in's own role
