"""Least privilege: policies name their actions and resources, and the template has the same ones."""

import json
import os
import re
import subprocess
from fnmatch import fnmatch

import pytest

from donkey_sagemaker.aws.car_roles import add_car_roles, role_name
from donkey_sagemaker.aws.policies import (
    CAR_TAG,
    Names,
    car_role_pattern,
    make_bucket_policy,
    make_build_policy,
    make_car_policy,
    make_job_policy,
    make_topic_policy,
    make_trust,
)
from donkey_sagemaker.commands._setup_options import MOST_DAYS, MOST_INSTANCES, MOST_USD
from iam import as_list, is_allowed_service, is_denied
from some_policies import ACCOUNT, NAMES, POLICIES

# As in the template
PLACEHOLDERS = Names(
    partition="${AWS::Partition}",
    domain="${AWS::URLSuffix}",
    region="${AWS::Region}",
    account="${AWS::AccountId}",
    bucket="${Bucket}",
    prefix="${Prefix}",
    role_arn=car_role_pattern(partition="${AWS::Partition}", account="${AWS::AccountId}"),
    kms_key="${KmsKey}",
    is_vpc=True,
    has_queue=True,
)


@pytest.fixture(scope="module")
def template_text(repo_path):
    with open(os.path.join(repo_path, "templates", "aws.yaml")) as file:
        return add_car_roles(file.read(), ["blue"])


@pytest.fixture(scope="module")
def template(generation_python, repo_path, template_text):
    """templates/aws.yaml with one car, in the long form."""
    program = (
        "import json, sys; from aws_stand_in.template import read_template\n"
        "print(json.dumps(read_template(sys.stdin.read())))"
    )
    text = subprocess.check_output(
        [generation_python("aws"), "-c", program],
        cwd=os.path.join(repo_path, "tests"),
        input=template_text,
        universal_newlines=True,
    )
    return json.loads(text)


def expand(value, conditions=("HasKmsKey", "IsVpc", "HasCarUsers", "HasJobQueue")):
    """Each Fn::Sub becomes its text, and each Fn::If one of its values.

    Args:
        conditions: those that hold.
    """
    if isinstance(value, list):
        return [expand(each, conditions) for each in value if _chosen(each, conditions) is not None]
    value = _chosen(value, conditions)
    if isinstance(value, dict) and "Fn::Sub" in value:
        return value["Fn::Sub"].replace("${!", "${")
    if isinstance(value, dict) and value == {"Ref": "AWS::AccountId"}:
        return "${AWS::AccountId}"
    return {key: expand(value[key], conditions) for key in value} if isinstance(value, dict) else value


def _chosen(value, conditions):
    if isinstance(value, dict) and "Fn::If" in value:
        condition, yes, no = value["Fn::If"]
        return _chosen(yes if condition in conditions else no, conditions)
    return None if value == {"Ref": "AWS::NoValue"} else value


@pytest.mark.parametrize("has_queue", [False, True])
@pytest.mark.parametrize("is_vpc", [False, True])
@pytest.mark.parametrize("has_key", [False, True])
def test_template_has_these_policies(template, has_key, is_vpc, has_queue):
    """The policies in the template are those that the functions make, with and without each option."""
    conditions = ["HasKmsKey"] * has_key + ["IsVpc"] * is_vpc + ["HasJobQueue"] * has_queue
    resources = expand(template, conditions)["Resources"]
    key = PLACEHOLDERS.kms_key if has_key else None
    names = PLACEHOLDERS._replace(kms_key=key, is_vpc=is_vpc, has_queue=has_queue)
    jobs, builds = resources["JobRole"]["Properties"], resources["BuildRole"]["Properties"]
    car = resources[role_name("blue")]["Properties"]
    for resource, policy in (
        ("CarPolicy", make_car_policy(names)),
        ("CarJobPolicy", make_job_policy(names)),
        ("BucketPolicy", make_bucket_policy(names)),
    ):
        assert resources[resource]["Properties"]["PolicyDocument"] == policy
    assert [each["PolicyDocument"] for each in jobs["Policies"]] == [make_job_policy(names, folder=None)]
    assert [each["PolicyDocument"] for each in builds["Policies"]] == [make_build_policy(names)]
    for role, service in ((jobs, "sagemaker"), (car, "sagemaker"), (builds, "codebuild")):
        trust = make_trust(service + ".amazonaws.com", names.account)
        assert role["AssumeRolePolicyDocument"] == trust
    assert car["ManagedPolicyArns"] == [{"Ref": "CarJobPolicy"}]
    assert (car["Path"], car["Tags"]) == ("/donkey-sagemaker/blue/", [{"Key": CAR_TAG, "Value": "blue"}])


def test_the_sizes_that_aws_accepts(template_text):
    """A managed policy has at most 6,144 characters without spaces; a template for a class 51,200 bytes."""
    for policy in POLICIES.values():
        assert len(re.sub(r"\s", "", json.dumps(policy))) < 6144
    cars = [f"donkey-car-{number:02}" for number in range(30)]
    assert len(add_car_roles(template_text, cars).encode()) < 51200


def test_template_has_the_limits_of_setup(template):
    """The largest numbers are the same as in the program."""
    most = {name: each.get("MaxValue") for name, each in template["Parameters"].items()}
    assert (most["KeepDays"], most["BudgetUsd"]) == (MOST_DAYS, MOST_USD)
    assert most["JobQueueInstances"] == MOST_INSTANCES


def test_bucket_is_private(template):
    """It is encrypted, not public, requires TLS, and nothing stays in it for ever."""
    bucket = template["Resources"]["Bucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketName" not in bucket  # names are global, so AWS chooses a free one
    uploads, old = bucket["LifecycleConfiguration"]["Rules"]
    assert uploads["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert old["ExpirationInDays"] == {"Ref": "KeepDays"}
    policy = _filled(expand(template["Resources"]["BucketPolicy"]))["Properties"]["PolicyDocument"]
    for transport, denied in (("true", False), ("false", True)):
        context = {"aws:SecureTransport": transport}
        assert is_denied(policy, "s3:GetObject", "arn:aws:s3:::tubs/x", context) == denied


TOPIC = "arn:aws:sns:eu-west-1:123456789012:messages"
RULES = [
    f"arn:aws:events:eu-west-1:123456789012:rule/{name}" for name in ("JobEnded", "JobFailed", "TuningEnded")
]


def test_the_topic_is_for_its_rules(template):
    """EventBridge publishes there for the rules of this stack; no other rule, account or service does."""
    policy = _with_messages(template["Resources"]["MessagesPolicy"]["Properties"]["PolicyDocument"])
    assert policy == make_topic_policy(TOPIC, rule_arns=RULES, account=NAMES.account)
    ours = {"aws:SourceArn": RULES[0], "aws:SourceAccount": NAMES.account}

    def may(service="events.amazonaws.com", action="sns:Publish", topic=TOPIC, **context):
        return is_allowed_service(policy, service, action, topic, dict(ours, **context))

    assert may() and all(may(**{"aws:SourceArn": rule}) for rule in RULES)
    assert not may(**{"aws:SourceArn": "arn:aws:events:eu-west-1:123456789012:rule/Other"})
    assert not may(**{"aws:SourceAccount": "210987654321"})
    assert not may(service="s3.amazonaws.com")
    assert not may(action="sns:Subscribe")
    assert not may(topic=TOPIC + "2")


def _with_messages(value):
    """With the ARNs that AWS gives the topic and its rules."""
    if isinstance(value, list):
        return [_with_messages(each) for each in value]
    if value == {"Ref": "Messages"}:
        return TOPIC
    if isinstance(value, dict) and "Fn::GetAtt" in value:
        return f"arn:aws:events:eu-west-1:123456789012:rule/{value['Fn::GetAtt'].split('.')[0]}"
    if isinstance(value, dict) and "Fn::Sub" in value:
        return _filled(value)["Fn::Sub"]
    return {key: _with_messages(each) for key, each in value.items()} if isinstance(value, dict) else value


def test_cfn_lint_passes(generation_python, template_text, tmp_path):
    """AWS's linter finds no errors and no warnings in the template."""
    lint = os.path.join(os.path.dirname(generation_python("aws")), "cfn-lint")
    path = str(tmp_path / "aws.yaml")
    (tmp_path / "aws.yaml").write_text(template_text)
    checked = subprocess.run(
        [lint, "--regions", "us-east-1", "eu-west-1", "--", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert (checked.returncode, checked.stdout) == (0, "")


# Findings of parliament that are intended
EXPECTED = [
    # Passing a role changes nothing: it is that of the jobs, and only SageMaker gets it
    ("*car*", "PERMISSIONS_MANAGEMENT_ACTIONS", "iam:passrole"),
    # Only the interfaces of jobs, in subnets of the owner
    ("*job*", "PERMISSIONS_MANAGEMENT_ACTIONS", "ec2:createnetworkinterfacepermission"),
    ("*job*", "PERMISSIONS_MANAGEMENT_ACTIONS", "ec2:deletenetworkinterfacepermission"),
    # For the disk of an instance, by way of SageMaker
    ("*job*", "PERMISSIONS_MANAGEMENT_ACTIONS", "kms:creategrant"),
    # The login to the registry, which every pull and push needs
    ("*job*", "CREDENTIALS_EXPOSURE", "ecr:getauthorizationtoken"),
    ("*build*", "CREDENTIALS_EXPOSURE", "ecr:getauthorizationtoken"),
    # This is what a trust policy is for
    ("*/assumerolepolicydocument", "CREDENTIALS_EXPOSURE", "sts:assumerole"),
]
# Actions of 2025, which parliament does not know yet
NEW = [
    f"Unknown action batch:{name}"
    for name in ("DescribeServiceJob", "ListServiceJobs", "SubmitServiceJob", "TerminateServiceJob")
]
LINT = """
import json, sys
from parliament import analyze_policy_string
for name, document in json.load(sys.stdin).items():
    for found in analyze_policy_string(json.dumps(document), include_community_auditors=True).findings:
        for action in found.location.get("actions", [""]):
            print(json.dumps([name, found.issue, action, str(found.detail)]))
"""


@pytest.fixture
def lint(generation_python):
    """A function that returns parliament's findings in documents, except for the expected ones."""

    def run(documents):
        output = subprocess.check_output(
            [generation_python("aws"), "-W", "ignore", "-c", LINT],
            input=json.dumps(documents),
            universal_newlines=True,
        )
        found = [json.loads(line) for line in output.splitlines()]
        return [each for each in found if not (_is_expected(*each[:3]) or each[3] in NEW)]

    return run


def _is_expected(name, issue, action):
    return any(
        fnmatch(name.lower(), pattern) and [issue, action] == expected for pattern, *expected in EXPECTED
    )


def _documents(value, path=""):
    """All policies in a template, by their paths."""
    if isinstance(value, dict) and "Statement" in value:
        return {path: value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {
        name: document for key, each in pairs for name, document in _documents(each, f"{path}/{key}").items()
    }


def _filled(value):
    """A template with the names of an account."""
    text = json.dumps(value)
    for field, name in PLACEHOLDERS._asdict().items():
        if isinstance(name, str):
            text = text.replace(name, getattr(NAMES, field))
    return json.loads(text)


def test_parliament_passes(template, lint):
    """The linter for policies knows every action, and each fits its resources and conditions."""
    resources = dict(template["Resources"])
    resources["MessagesPolicy"] = _with_messages(resources["MessagesPolicy"])
    documents = dict(_documents(_filled(expand(resources))), **POLICIES)
    # the same, three trust policies, that of the bucket and that of the topic
    assert len(documents) == 2 * len(POLICIES) + 5
    for document in documents.values():
        for statement in document["Statement"]:
            # A trust policy has no resource, which parliament would report.
            statement.setdefault("Resource", NAMES.role_arn)
    assert lint(documents) == []


@pytest.mark.parametrize(
    "change, issue",
    [
        ({"Action": "s3:ReadObject"}, "UNKNOWN_ACTION"),
        ({"Resource": "arn:aws:s3:::tubs"}, "RESOURCE_MISMATCH"),
        ({"Condition": {"StringEquals": {"iam:PassedToService": "x"}}}, "UNKNOWN_CONDITION_FOR_ACTION"),
        ({"Action": ["iam:PutUserPolicy"], "Resource": "*"}, "PERMISSIONS_MANAGEMENT_ACTIONS"),
    ],
)
def test_parliament_finds_mistakes(change, issue, lint):
    """The linter runs with all of its checks."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::tubs/*"}
    statement.update(change)
    found = lint({"bad": {"Version": "2012-10-17", "Statement": [statement]}})
    assert issue in [each[1] for each in found]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_no_wildcards(policy):
    """Actions have no wildcards, and only actions for which IAM has no resources apply to all."""
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9]+:[A-Z]\w+", action)
            if "*" in as_list(statement["Resource"]):
                assert action in (
                    "batch:DescribeJobQueues",
                    "batch:DescribeServiceJob",
                    "batch:ListServiceJobs",
                    "cloudwatch:PutMetricData",
                    "ec2:DescribeDhcpOptions",
                    "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcs",
                    "ecr:GetAuthorizationToken",
                    "pricing:GetProducts",
                    "sagemaker:ListTrainingJobs",
                    "sagemaker:Search",
                    "servicequotas:ListAWSDefaultServiceQuotas",
                    "servicequotas:ListServiceQuotas",
                )


def test_role_is_passed_to_sagemaker_only():
    """The car's key cannot be used to pass the role to another service."""
    (statement,) = [
        each for each in POLICIES["car"]["Statement"] if "iam:PassRole" in as_list(each["Action"])
    ]
    assert statement == {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": NAMES.role_arn,
        "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    }


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_s3_ends_at_the_account(policy):
    """A bucket that somebody else creates under the name of a deleted one gets nothing."""
    for statement in policy["Statement"]:
        if any(action.startswith("s3:") for action in as_list(statement["Action"])):
            assert statement["Condition"]["StringEquals"] == ACCOUNT
