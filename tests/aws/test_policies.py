"""Least privilege: policies name their actions and resources, and the template has the same ones."""

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
# As in the template
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
    """templates/aws.yaml in the long form, with each Fn::Sub replaced by its text."""
    program = (
        "import json; from aws_stand_in.template import read_template\n"
        "print(json.dumps(read_template(open('../templates/aws.yaml').read())))"
    )
    text = subprocess.check_output(
        [generation_python("aws"), "-c", program],
        cwd=os.path.join(repo_path, "tests"),
        universal_newlines=True,
    )
    return _expand(json.loads(text))


def _expand(value):
    if isinstance(value, list):
        return [_expand(each) for each in value]
    if isinstance(value, dict):
        return value["Fn::Sub"] if "Fn::Sub" in value else {key: _expand(value[key]) for key in value}
    return value


def test_template_has_these_policies(template):
    """The policies in the template are those that the functions make."""
    resources = template["Resources"]
    jobs, builds = resources["JobRole"]["Properties"], resources["BuildRole"]["Properties"]
    assert resources["CarPolicy"]["Properties"]["PolicyDocument"] == make_car_policy(PLACEHOLDERS)
    assert [each["PolicyDocument"] for each in jobs["Policies"]] == [make_job_policy(PLACEHOLDERS)]
    assert [each["PolicyDocument"] for each in builds["Policies"]] == [make_build_policy(PLACEHOLDERS)]
    for role, service in ((jobs, "sagemaker"), (builds, "codebuild")):
        trust = make_trust(service + ".amazonaws.com", PLACEHOLDERS.account)
        assert role["AssumeRolePolicyDocument"] == trust


def test_template_has_the_limits_of_setup(template):
    """The largest numbers are the same as in the program."""
    most = {name: each.get("MaxValue") for name, each in template["Parameters"].items()}
    assert (most["KeepDays"], most["BudgetUsd"]) == (setup.MOST_DAYS, setup.MOST_USD)


def test_bucket_is_private(template):
    """It is encrypted, not public, requires TLS, and nothing stays in it for ever."""
    bucket = template["Resources"]["Bucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketName" not in bucket  # names are global, so AWS chooses a free one
    uploads, old = bucket["LifecycleConfiguration"]["Rules"]
    assert uploads["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert old["ExpirationInDays"] == {"Ref": "KeepDays"}
    (statement,) = template["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny" and statement["Condition"] == {
        "Bool": {"aws:SecureTransport": "false"}
    }


def test_cfn_lint_passes(generation_python, repo_path):
    """AWS's linter finds no errors and no warnings in the template."""
    lint = os.path.join(os.path.dirname(generation_python("aws")), "cfn-lint")
    path = os.path.join(repo_path, "templates", "aws.yaml")
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
    # The login to the registry, which every pull and push needs
    ("*job*", "CREDENTIALS_EXPOSURE", "ecr:getauthorizationtoken"),
    ("*build*", "CREDENTIALS_EXPOSURE", "ecr:getauthorizationtoken"),
    # This is what a trust policy is for
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
    """A function that returns parliament's findings in documents, except for the expected ones."""

    def run(documents):
        output = subprocess.check_output(
            [generation_python("aws"), "-W", "ignore", "-c", LINT],
            input=json.dumps(documents),
            universal_newlines=True,
        )
        found = [json.loads(line) for line in output.splitlines()]
        return [each for each in found if not _is_expected(*each[:3])]

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
        text = text.replace(name, getattr(NAMES, field))
    return json.loads(text)


def test_parliament_passes(template, lint):
    """The linter for policies knows every action, and each fits its resources and conditions."""
    documents = dict(_documents(_filled(template)), **{name: make(NAMES) for name, make in POLICIES.items()})
    assert len(documents) == len(POLICIES) + 6  # the same, two trust policies and that of the bucket
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


@pytest.mark.parametrize("make", POLICIES.values(), ids=POLICIES)
def test_no_wildcards(make):
    """Actions have no wildcards, and only actions for which IAM has no resources apply to all."""
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


def test_role_is_passed_to_sagemaker_only():
    """The car's key cannot be used to pass the role to another service."""
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
def test_stolen_card(action, resource):
    """The car's key gives no access to anything else in the account."""
    assert not is_allowed(make_car_policy(NAMES), action, resource)


@pytest.mark.parametrize("key, writes", [("models/a/output/model.tar.gz", True), ("shards/0.zip", False)])
def test_job_writes_only_models(key, writes):
    """A job can read tubs but not change them."""
    policy, resource = make_job_policy(NAMES), "arn:aws:s3:::tubs/donkeycar/" + key
    assert is_allowed(policy, "s3:GetObject", resource)
    assert is_allowed(policy, "s3:PutObject", resource) == writes
    assert not is_allowed(policy, "s3:DeleteObject", resource)
