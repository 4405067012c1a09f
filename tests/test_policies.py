"""Least privilege: named things, named actions, and the same policies in the template."""

import json
import os
import re
import subprocess
from fnmatch import fnmatch

import pytest

from donkey_sagemaker.aws.policies import (
    Names,
    make_build_policy,
    make_car_policy,
    make_job_policy,
    make_trust,
)
from donkey_sagemaker.commands import setup
from iam import as_list, is_allowed

POLICIES = {"car": make_car_policy, "job": make_job_policy, "build": make_build_policy}
NAMES = Names(
    partition="aws",
    region="eu-west-1",
    account="123456789012",
    bucket="tubs",
    prefix="donkeycar",
    role_arn="arn:aws:iam::123456789012:role/jobs",
)
# As the template writes them
PLACEHOLDERS = Names(
    partition="${AWS::Partition}",
    region="${AWS::Region}",
    account="${AWS::AccountId}",
    bucket="${Bucket}",
    prefix="${Prefix}",
    role_arn="${JobRole.Arn}",
)


@pytest.fixture(scope="module")
def template(generation_python, repo_path):
    """templates/aws.yaml in the long form, each Fn::Sub as the text that it holds."""
    program = (
        "import json; from aws_stand_in.stacks import read_template\n"
        "print(json.dumps(read_template(open('../templates/aws.yaml').read())))"
    )
    text = subprocess.check_output(
        [generation_python("aws"), "-c", program],
        cwd=os.path.join(repo_path, "tests"),
        universal_newlines=True,
    )
    return _write_out(json.loads(text))


def _write_out(value):
    if isinstance(value, list):
        return [_write_out(each) for each in value]
    if isinstance(value, dict):
        return value["Fn::Sub"] if "Fn::Sub" in value else {key: _write_out(value[key]) for key in value}
    return value


def test_the_template_has_these_policies(template):
    """An administrator who reads the template reads what the functions make."""
    resources = template["Resources"]
    jobs, builds = resources["JobRole"]["Properties"], resources["BuildRole"]["Properties"]
    assert resources["CarPolicy"]["Properties"]["PolicyDocument"] == make_car_policy(PLACEHOLDERS)
    assert [each["PolicyDocument"] for each in jobs["Policies"]] == [make_job_policy(PLACEHOLDERS)]
    assert [each["PolicyDocument"] for each in builds["Policies"]] == [make_build_policy(PLACEHOLDERS)]
    for role, service in ((jobs, "sagemaker"), (builds, "codebuild")):
        trust = make_trust(service + ".amazonaws.com", PLACEHOLDERS.account)
        assert role["AssumeRolePolicyDocument"] == trust


def test_the_template_takes_what_setup_lets_pass(template):
    """The largest numbers are those of the program."""
    most = {name: each.get("MaxValue") for name, each in template["Parameters"].items()}
    assert (most["KeepDays"], most["BudgetUsd"]) == (setup.MOST_DAYS, setup.MOST_USD)


def test_the_bucket_is_private(template):
    """Encrypted, closed to the public, TLS only, and nothing lies in it for ever."""
    bucket = template["Resources"]["Bucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketName" not in bucket  # names are the whole world's: AWS finds a free one
    uploads, old = bucket["LifecycleConfiguration"]["Rules"]
    assert uploads["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert old["ExpirationInDays"] == {"Ref": "KeepDays"}
    (statement,) = template["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny" and statement["Condition"] == {
        "Bool": {"aws:SecureTransport": "false"}
    }


def test_cfn_lint_passes(generation_python, repo_path):
    """AWS's linter finds nothing in the template, be it an error or a warning."""
    lint = os.path.join(os.path.dirname(generation_python("aws")), "cfn-lint")
    path = os.path.join(repo_path, "templates", "aws.yaml")
    checked = subprocess.run(
        [lint, "--regions", "us-east-1", "eu-west-1", "--", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert (checked.returncode, checked.stdout) == (0, "")


# What parliament finds although it is meant to be so
EXPECTED = [
    # A role is passed, and none is changed: the jobs' own, to SageMaker alone
    ("*car*", "PERMISSIONS_MANAGEMENT_ACTIONS", "iam:passrole"),
    # The login to the registry, without which no image is pulled or pushed
    ("*job*", "CREDENTIALS_EXPOSURE", "ecr:getauthorizationtoken"),
    ("*build*", "CREDENTIALS_EXPOSURE", "ecr:getauthorizationtoken"),
    # What a trust is
    ("*/assumerolepolicydocument", "CREDENTIALS_EXPOSURE", "sts:assumerole"),
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
    """A function that gives what parliament finds in documents by their names, but for what is expected."""

    def run(documents):
        told = subprocess.check_output(
            [generation_python("aws"), "-W", "ignore", "-c", LINT],
            input=json.dumps(documents),
            universal_newlines=True,
        )
        found = [json.loads(line) for line in told.splitlines()]
        return [each for each in found if not _is_expected(*each[:3])]

    return run


def _is_expected(name, issue, action):
    return any(
        fnmatch(name.lower(), pattern) and [issue, action] == expected for pattern, *expected in EXPECTED
    )


def _documents(value, path=""):
    """All policies in a template, by where they stand."""
    if isinstance(value, dict) and "Statement" in value:
        return {path: value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {
        name: document for key, each in pairs for name, document in _documents(each, f"{path}/{key}").items()
    }


def _filled(value):
    """A template's text with the names of an account."""
    text = json.dumps(value)
    for field, name in PLACEHOLDERS._asdict().items():
        text = text.replace(name, getattr(NAMES, field))
    return json.loads(text)


def test_parliament_passes(template, lint):
    """The linter of policies knows each action, and each suits its resources and its conditions."""
    documents = dict(_documents(_filled(template)), **{name: make(NAMES) for name, make in POLICIES.items()})
    assert len(documents) == len(POLICIES) + 6  # the same, two trusts and the bucket's
    for document in documents.values():
        for statement in document["Statement"]:
            # A trust is about the role that has it and names no resource, which parliament misses.
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
def test_parliament_would_tell(change, issue, lint):
    """The linter runs with all that it can find."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::tubs/*"}
    statement.update(change)
    found = lint({"bad": {"Version": "2012-10-17", "Statement": [statement]}})
    assert issue in [each[1] for each in found]


@pytest.mark.parametrize("make", POLICIES.values(), ids=POLICIES)
def test_named_actions_on_named_things(make):
    """No wildcard in an action; what may be done to everything is what IAM knows no resource for."""
    for statement in make(NAMES)["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9]+:[A-Z]\w+", action)
            if "*" in as_list(statement["Resource"]):
                assert action in (
                    "cloudwatch:PutMetricData",
                    "ecr:GetAuthorizationToken",
                    "pricing:GetProducts",
                    "sagemaker:ListTrainingJobs",
                    "servicequotas:ListAWSDefaultServiceQuotas",
                    "servicequotas:ListServiceQuotas",
                )


def test_the_role_is_passed_to_sagemaker_alone():
    """Who has the car's key cannot give its role to a machine of another service."""
    (statement,) = [
        each for each in make_car_policy(NAMES)["Statement"] if "iam:PassRole" in as_list(each["Action"])
    ]
    assert statement == {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": NAMES.role_arn,
        "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    }


@pytest.mark.parametrize(
    "action, resource",
    [
        ("s3:GetObject", "arn:aws:s3:::other/donkeycar/x"),
        ("s3:GetObject", "arn:aws:s3:::tubs/private/x"),
        ("s3:DeleteObject", "arn:aws:s3:::tubs/donkeycar/shards/0.zip"),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/admin"),
        ("sagemaker:StopTrainingJob", "arn:aws:sagemaker:eu-west-1:123456789012:training-job/theirs"),
        ("iam:CreateUser", "*"),
    ],
)
def test_what_a_stolen_card_cannot_do(action, resource):
    """The car's key opens nothing else in the account."""
    assert not is_allowed(make_car_policy(NAMES), action, resource)


@pytest.mark.parametrize("key, writes", [("models/a/output/model.tar.gz", True), ("shards/0.zip", False)])
def test_a_job_writes_models_only(key, writes):
    """A job reads tubs and cannot change them."""
    policy, resource = make_job_policy(NAMES), "arn:aws:s3:::tubs/donkeycar/" + key
    assert is_allowed(policy, "s3:GetObject", resource)
    assert is_allowed(policy, "s3:PutObject", resource) == writes
    assert not is_allowed(policy, "s3:DeleteObject", resource)
