"""Every error of AWS with its whole message, and the page of the documentation that lists them."""

import inspect
import re

import pytest

from account_errors import ACCOUNT_ERRORS, REQUESTS, Example
from donkey_sagemaker.aws import errors
from donkey_sagemaker.aws.error_table import ROWS, find_row, make_error
from donkey_sagemaker.aws.errors import FailedRequest
from donkey_sagemaker.errors import DonkeySagemakerError
from job_errors import JOB_ERRORS
from troubleshooting import find_missing

EXAMPLES = ACCOUNT_ERRORS + JOB_ERRORS


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.what[:50])
def test_error(example: Example) -> None:
    """Each error says what failed, with AWS's code, and the one thing to do."""
    assert type(example.error) is example.kind
    assert (example.error.what, example.error.fix) == (example.what, example.fix)


def test_every_class_has_an_example() -> None:
    """No class of aws/errors.py is without a test and an entry in the documentation."""
    kinds = {
        kind
        for _name, kind in inspect.getmembers(errors, inspect.isclass)
        if kind.__module__ == errors.__name__ and issubclass(kind, DonkeySagemakerError)
    }
    assert kinds <= {example.kind for example in EXAMPLES}


def test_every_row_has_an_example() -> None:
    """No row of the error table is without a test and an entry in the documentation."""
    used = [row for row, _matched in filter(None, map(find_row, REQUESTS))]
    assert [row for row in ROWS if row not in used] == []


def test_the_documentation_has_them_all(repo_path: str) -> None:
    """docs/troubleshooting.md has a heading for each message, followed by what to do."""
    assert find_missing(repo_path, [(example.what, example.fix) for example in EXAMPLES]) == []


@pytest.mark.parametrize(
    "key, pattern",
    [
        ("donkeycar/cars/blue/models/a/x", "donkeycar/cars/blue/*"),
        ("my/cars/cars/blue/models/a/x", "my/cars/cars/blue/*"),
        ("donkeycar/models/a/x", "donkeycar/*"),
    ],
)
def test_advice_for_one_car_does_not_open_the_others(key, pattern):
    """The statement that is proposed ends at the folder of the car."""
    request = FailedRequest(
        operation="PutObject",
        code="AccessDenied",
        text="Access Denied",
        action="s3:PutObject",
        resource="arn:aws:s3:::tubs/" + key,
    )
    assert f'"Resource": "arn:aws:s3:::tubs/{pattern}"' in make_error(request).fix


@pytest.mark.parametrize(
    "region, console",
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/"),
    ],
)
def test_links_lead_to_the_console_of_the_partition(region, console):
    """China and GovCloud have consoles of their own."""
    found = set()
    for request in REQUESTS:
        error = make_error(request._replace(region=region))
        found.update(re.findall(r"https://[a-z0-9-]+\.console\.[a-z.-]+/", f"{error.what} {error.fix}"))
    assert found == {console}
