"""The story of sagemaker-setup: all that AWS needs to have, made, updated or taken away as one stack."""

import contextlib
import json
import os
import re
import shlex
from typing import Dict, Iterator, List, NamedTuple, Optional

from ..aws.account import Account
from ..aws.policies import Names, make_car_policy, make_job_policy
from ..aws.stack import NAME, SETTINGS_BY_OUTPUT, Event, Plan, StackFailed
from ..car.car import Car
from ..car.myconfig import write_setting
from ..cloud.errors import NotAllowed
from ..cloud.images import is_own
from ..errors import BadInput, CloudRefused, DonkeySagemakerError
from ..resources import templates_path
from ..ui import PlainUi, format_bytes

TEMPLATE_NAME = "aws.yaml"  # in templates/
MOST_DAYS, MOST_USD = 3650, 10**6  # as there

_DEPLOY = """\
# Save this as aws.yaml. Then, as an administrator of the AWS account:
#   aws cloudformation deploy --region {region} --stack-name {name} --capabilities CAPABILITY_IAM \\
#     --template-file aws.yaml --parameter-overrides {parameters}
# What comes out of it goes into the car's myconfig.py, as SAGEMAKER_REGION, _BUCKET and _ROLE_ARN:
#   aws cloudformation describe-stacks --region {region} --stack-name {name} --query 'Stacks[0].Outputs'
"""
_COMMAND = "python manage.py sagemaker-setup"
_PRINT = f", or give them what `{_COMMAND} --print` prints"
_NOTHING = "A dry run: nothing was changed."
_ACTIONS = {"Add": "make", "Modify": "change", "Remove": "delete"}


class HalfABudget(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "--budget is US dollars a month, at which --email is told: one is nothing without the other.",
            "Give both, as --budget=10 --email=you@example.com.",
        )


class BadNumber(BadInput):
    def __init__(self, option: str, value: int, *, most: int) -> None:
        super().__init__(
            f"{option}={value} is not a number from 1 to {most}.",
            f"Give such a number, or leave {option} out: it stays as it is.",
        )


class BadAddress(BadInput):
    def __init__(self, address: str) -> None:
        super().__init__(
            f"--email={address} is no address that AWS could write to.",
            "Give it as --email=you@example.com.",
        )


class NotConfirmed(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "Nothing was deleted: it was not confirmed.",
            "Type the name that is asked for, or give --yes where nobody can type.",
        )


class JobsRun(BadInput):
    def __init__(self, jobs: List[str]) -> None:
        super().__init__(
            "Nothing was deleted: {} still {}.".format(", ".join(jobs), "runs" if len(jobs) == 1 else "run"),
            f"Wait, or stop it with `python manage.py sagemaker-stop {jobs[0]}`.",
        )


class NotAdministrator(CloudRefused):
    """Who asked may not make buckets, roles and the like."""

    def __init__(self, refusal: DonkeySagemakerError, otherwise: str) -> None:
        super().__init__(refusal.what, f"Run it as an administrator of the AWS account{otherwise}.")


class BrokenOff(DonkeySagemakerError):
    """Ctrl-C after AWS was asked to make or delete something."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__(
            "Interrupted: what AWS has begun, it ends by itself.",
            "Come back in some minutes with the same command.",
        )


class Wish(NamedTuple):
    """What the command line asks of the stack; None for what it has, or the template's default."""

    user: Optional[str]  # IAM user that gets the car's policy
    keep_days: Optional[int]
    budget_usd: Optional[int]
    email: Optional[str]
    dry_run: bool


@contextlib.contextmanager
def _explained(*, otherwise: str = "") -> Iterator[None]:
    """Says of what is forbidden what to do about it here.

    Args:
        otherwise: what there is to do beside being an administrator.
    """
    try:
        yield
    except NotAllowed as refusal:
        raise NotAdministrator(refusal, otherwise) from refusal
    except StackFailed as failure:
        if failure.is_forbidden:
            raise NotAdministrator(failure, otherwise) from failure
        raise


@contextlib.contextmanager
def _begun() -> Iterator[None]:
    """Says of Ctrl-C that AWS goes on."""
    try:
        yield
    except KeyboardInterrupt:
        raise BrokenOff() from None


@_explained(otherwise=_PRINT)
def set_up(car: Car, account: Account, ui: PlainUi, wish: Wish) -> None:
    """Makes or updates the stack, and writes what it made into myconfig.py.

    Raises:
        HalfABudget, BadNumber, BadAddress, CloudRefused, BrokenOff
    """
    _check(wish)
    stack = account.stack
    ui.say(f"Account {account.id}, {account.region}")
    with _begun():
        if stack.is_broken():
            ui.say("An earlier try failed; what is left of it has to be deleted first.")
            if wish.dry_run:
                ui.say(_NOTHING)
                return
            _tell(ui, stack.delete())
        plan = stack.plan(read_template(), _parameters(car, wish))
        tell_plan(ui, plan)
        if wish.dry_run and plan.changes:
            stack.discard(plan)
        if wish.dry_run:
            ui.say(_NOTHING)
            return
        if plan.changes:
            _tell(ui, stack.execute(plan))
    outputs = stack.outputs()
    _write(car, ui, {setting: outputs[output] for output, setting in SETTINGS_BY_OUTPUT.items()})
    if not wish.user and plan.is_new:
        ui.say("What the car may do is in the policy {CarPolicyArn}.".format(**outputs))
        ui.say(f"Give it to the car's own IAM user:\n  {_COMMAND} --user=NAME")


@_explained()
def tear_down(car: Car, account: Account, ui: PlainUi, *, yes: bool, dry_run: bool) -> None:
    """Deletes the stack and what lies in its bucket and repository, nothing else.

    Args:
        yes: do not ask.
        dry_run: only tell what would be deleted.
    Raises:
        JobsRun, NotConfirmed, CloudRefused, BrokenOff
    """
    stack = account.stack
    if stack.describe() is None:
        ui.say(f"There is no stack {NAME} in {account.region}: nothing to delete.")
        return
    outputs = stack.outputs()
    bucket = outputs.get("Bucket")
    running = account.running_jobs()
    if running:
        raise JobsRun(running)
    ui.say(f"To be deleted, in account {account.id}, {account.region}:")
    ui.say(f"  the stack {NAME}: roles, policy, images, builder, budget")
    contents = account.bucket_contents(bucket) if bucket else None
    if contents:
        ui.say(f"  the bucket {bucket} with {contents.objects} objects, {format_bytes(contents.size_bytes)}")
    if dry_run:
        ui.say(_NOTHING)
        return
    if not yes and ui.ask_for(f"Type {NAME} to delete all that for good:") != NAME:
        raise NotConfirmed()
    with _begun():
        if bucket and contents:
            with ui.bar("Deleting objects", contents.objects) as advance:
                for count in account.empty_bucket(bucket):
                    advance(count)
        _tell(ui, stack.delete())
    gone: Dict[str, Optional[str]] = {
        setting: None
        for output, setting in SETTINGS_BY_OUTPUT.items()
        if output != "Region" and car.config.get(setting) == outputs.get(output)
    }
    if is_own(car.settings.image):
        gone["SAGEMAKER_IMAGE"] = "auto"
    _write(car, ui, gone)


def print_for_administrator(car: Car, account: Account, ui: PlainUi, wish: Wish) -> None:
    """The template as a file to deploy; in its comments how, and its policies with this account's names."""
    names = Names(
        partition=account.partition,
        region=account.region,
        account=account.id,
        bucket=car.settings.bucket or "BUCKET",
        prefix=car.settings.prefix,
        role_arn=car.settings.role_arn or f"arn:{account.partition}:iam::{account.id}:role/ROLE",
    )
    parameters = {key: value for key, value in _parameters(car, wish).items() if value is not None}
    ui.say(
        _DEPLOY.format(
            region=names.region,
            name=NAME,
            parameters=" ".join(f"{key}={shlex.quote(each)}" for key, each in parameters.items()),
        )
    )
    ui.say(read_template())
    for title, policy in (
        ("of the role that SageMaker runs jobs as", make_job_policy(names)),
        ("of the car's IAM user", make_car_policy(names)),
    ):
        ui.say(f"# For who makes things by hand, the policy {title}:")
        ui.say("".join(f"# {line}\n" for line in json.dumps(policy, indent=2).splitlines()))


def read_template() -> str:
    with open(os.path.join(templates_path(), TEMPLATE_NAME), encoding="utf-8") as file:
        return file.read()


def tell_plan(ui: PlainUi, plan: Plan) -> None:
    """What will change, and what it costs."""
    if not plan.changes:
        ui.say("All is there already, and up to date.")
        return
    for change in plan.changes:
        ui.say(
            "  {:<8}{:<15}{}{}".format(
                _ACTIONS.get(change.action, change.action.lower()),
                change.resource,
                change.type,
                ", by a new one" if change.is_replaced else "",
            )
        )
    ui.say(
        "None of this costs anything while it lies idle. A gigabyte in the bucket is about 0.03 USD a month, "
        "one of images 0.10, a minute of building an image 0.005; a job is what `train --dry-run` says."
    )


def _check(wish: Wish) -> None:
    """
    Raises:
        HalfABudget, BadNumber, BadAddress
    """
    if (wish.budget_usd is None) != (wish.email is None):
        raise HalfABudget()
    for option, value, most in (
        ("--keep-days", wish.keep_days, MOST_DAYS),
        ("--budget", wish.budget_usd, MOST_USD),
    ):
        if value is not None and not 1 <= value <= most:
            raise BadNumber(option, value, most=most)
    if wish.email is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", wish.email):
        raise BadAddress(wish.email)


def _parameters(car: Car, wish: Wish) -> Dict[str, Optional[str]]:
    """The template's."""
    return {
        "Prefix": car.settings.prefix,
        "KeepDays": None if wish.keep_days is None else str(wish.keep_days),
        "CarUser": wish.user,
        "BudgetUsd": None if wish.budget_usd is None else str(wish.budget_usd),
        "BudgetEmail": wish.email,
    }


def _tell(ui: PlainUi, events: Iterator[Event]) -> None:
    """A line for each thing that came to an end."""
    for event in events:
        if not event.status.endswith("_IN_PROGRESS"):
            ui.say(f"  {event.status:<26}{event.resource}")


def _write(car: Car, ui: PlainUi, values: Dict[str, Optional[str]]) -> None:
    for variable, value in values.items():
        if car.config.get(variable) != value:
            write_setting(os.path.join(car.path, car.myconfig), variable, value)
            ui.say(f"{car.myconfig}: {variable} = {value!r}")
