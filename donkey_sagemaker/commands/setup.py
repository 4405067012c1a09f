"""sagemaker-setup: creates what is needed on AWS as one stack, updates it, or deletes it."""

import argparse
import contextlib
import json
import os
import shlex
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional, Sequence

from ..aws.car_roles import add_car_roles, role_output
from ..aws.policies import (
    USER,
    Names,
    car_role_pattern,
    make_bucket_policy,
    make_car_policy,
    make_job_policy,
    make_topic_policy,
)
from ..aws.stack import NAME, SETTINGS_BY_OUTPUT, Event, Plan, StackFailed
from ..car.car import Car, open_car
from ..car.myconfig import write_setting
from ..cloud import open_account
from ..cloud.errors import NotAllowed
from ..cloud.images import is_own
from ..cloud.partitions import find_partition
from ..errors import BadInput, CloudRefused, DonkeySagemakerError
from ..resources import templates_path
from ..setting_kinds import AUTO, FOLDER
from ..ui import PlainUi, format_bytes, make_ui
from ._setup_options import BadUser, SetupOptions, add_options, check_options

if TYPE_CHECKING:  # importing it takes boto3, which --help does not need
    from ..aws.account import Account

HELP = (
    "Creates what is needed on AWS (bucket, roles, registry, image builder) and writes it into myconfig.py; "
    "updates it, or deletes it."
)

__all__ = ["HELP", "add_options", "run"]

TEMPLATE_NAME = "aws.yaml"  # in templates/
_EMAIL = "MessagesEmail"  # the subscription in the template

_DEPLOY = """\
# Save this as aws.yaml. Then, as an administrator of the AWS account, run:
#   aws cloudformation deploy --region {region} --stack-name {name} --capabilities CAPABILITY_IAM \\
#     --template-file aws.yaml --parameter-overrides {parameters}
# Its outputs go into the car's myconfig.py, as SAGEMAKER_REGION, SAGEMAKER_BUCKET and SAGEMAKER_ROLE_ARN.
# The role is that of the car's IAM user, whose name is SAGEMAKER_FOLDER:
#   aws cloudformation describe-stacks --region {region} --stack-name {name} --query 'Stacks[0].Outputs'
"""
_COMMAND = "python manage.py sagemaker-setup"
_PRINT = f", or give one the output of `{_COMMAND} --print`"
_DRY_RUN = "This was a dry run: nothing was changed."
_ACTIONS = {"Add": "create", "Modify": "change", "Remove": "delete"}


class NotConfirmed(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "Nothing was deleted, because it was not confirmed.",
            "Type the name when you are asked for it, or add --yes where nobody can type.",
        )


class JobsRunning(BadInput):
    def __init__(self, jobs: List[str]) -> None:
        super().__init__(
            f"Nothing was deleted: {', '.join(jobs)} {'is' if len(jobs) == 1 else 'are'} still running.",
            f"Wait, or stop it with `python manage.py sagemaker-stop {jobs[0]}`.",
        )


class NotAdministrator(CloudRefused):
    """The caller is not allowed to create buckets, roles and the like."""

    def __init__(self, error: DonkeySagemakerError, alternative: str) -> None:
        super().__init__(error.what, f"Run it as an administrator of the AWS account{alternative}.")


class Interrupted(DonkeySagemakerError):
    """Ctrl-C after AWS was asked to create or delete something."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__(
            "Interrupted. AWS finishes what it has begun.",
            "Run the same command again in a few minutes.",
        )


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_car(car_path, flags={}, myconfig=arguments.myconfig)
    account = open_account(car.settings)
    options = SetupOptions(
        user=arguments.user,
        remove_user=arguments.remove_user,
        keep_days=arguments.keep_days,
        budget_usd=arguments.budget,
        email=arguments.email,
        job_queue=arguments.job_queue,
        dry_run=arguments.dry_run,
    )
    if arguments.print:
        print_for_administrator(car, account, ui, options)
    elif arguments.teardown:
        tear_down(car, account, ui, yes=arguments.yes, dry_run=arguments.dry_run)
    else:
        set_up(car, account, ui, options)
    return 0


@contextlib.contextmanager
def _explain_forbidden(*, alternative: str = "") -> Iterator[None]:
    """Turns a missing permission into what to do about it here.

    Args:
        alternative: what can be done instead of being an administrator.
    """
    try:
        yield
    except NotAllowed as error:
        raise NotAdministrator(error, alternative) from error
    except StackFailed as error:
        if error.is_forbidden:
            raise NotAdministrator(error, alternative) from error
        raise


@contextlib.contextmanager
def _aws_continues() -> Iterator[None]:
    """Turns Ctrl-C into the message that AWS continues."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted() from None


@_explain_forbidden(alternative=_PRINT)
def set_up(car: Car, account: "Account", ui: PlainUi, options: SetupOptions) -> None:
    """Creates or updates the stack, and writes its outputs into myconfig.py.

    Raises:
        IncompleteBudget, BadNumber, BadAddress, BadUser, CloudRefused, Interrupted
    """
    check_options(options)
    stack = account.stack
    ui.print(f"Account {account.id}, {account.region}")
    with _aws_continues():
        if stack.is_broken():
            ui.print("An earlier attempt failed. What is left of it has to be deleted first.")
            if options.dry_run:
                ui.print(_DRY_RUN)
                return
            _report_events(ui, stack.delete())
        users = _choose_users(stack.car_users(), options)
        plan = stack.plan(add_car_roles(read_template(), users), _make_parameters(car, options, users))
        report_plan(ui, plan)
        if options.job_queue and car.settings.instance_type != [AUTO]:
            warning = account.check_queue(
                options.job_queue, car.settings.instance_type[0], spot=car.settings.spot
            )
            if warning:
                ui.warn(warning)
        if options.dry_run and plan.changes:
            stack.discard(plan)
        if options.dry_run:
            ui.print(_DRY_RUN)
            return
        if plan.changes:
            _report_events(ui, stack.execute(plan))
    outputs = stack.outputs()
    values: Dict[str, Optional[str]] = {
        setting: outputs.get(output) for output, setting in SETTINGS_BY_OUTPUT.items()
    }
    user = _find_user(car, users, options)
    if user:
        values.update(SAGEMAKER_ROLE_ARN=outputs[role_output(user)], SAGEMAKER_FOLDER=user)
    elif options.remove_user and options.remove_user == car.settings.folder:
        values["SAGEMAKER_FOLDER"] = None
    _write_settings(car, ui, values)
    if user and (options.user or plan.changes):
        ui.print(f"The car with the key of {user} needs these lines in its myconfig.py:")
        lines = [f"  {name} = {value!r}" for name, value in values.items() if value is not None]
        ui.print_exactly("\n".join(lines))
    if options.email and any(change.resource == _EMAIL for change in plan.changes):
        ui.print(
            f"AWS sends a message to {options.email}. Click on its link within two days: that address gets a"
            " message for each job from then on."
        )
    if not users and plan.is_new:
        ui.print(f"The permissions of a car are in the policy {outputs['CarPolicyArn']}.")
        ui.print("Give them to the car's own IAM user:")
        ui.print_command(f"{_COMMAND} --user=NAME")


@_explain_forbidden()
def tear_down(car: Car, account: "Account", ui: PlainUi, *, yes: bool, dry_run: bool) -> None:
    """Deletes the stack and the content of its bucket and registry, nothing else.

    Args:
        yes: do not ask.
        dry_run: only show what would be deleted.
    Raises:
        JobsRunning, NotConfirmed, CloudRefused, Interrupted
    """
    stack = account.stack
    if stack.describe() is None:
        ui.print(f"There is no stack {NAME} in {account.region}: nothing to delete.")
        return
    outputs = stack.outputs()
    users = stack.car_users()
    bucket = outputs.get("Bucket")
    running = account.running_jobs()
    if running:
        raise JobsRunning(running)
    ui.print(f"To be deleted, in account {account.id}, {account.region}:")
    ui.print(f"  the stack {NAME}: roles, policy, images, builder, budget, e-mails, queue")
    contents = account.bucket_contents(bucket) if bucket else None
    if contents:
        size = format_bytes(contents.size_bytes)
        ui.print(f"  the bucket {bucket} with {contents.objects} objects, {size}")
    if dry_run:
        ui.print(_DRY_RUN)
        return
    if not yes and ui.ask_for(f"Type {NAME} to delete all of this for good:") != NAME:
        raise NotConfirmed()
    with _aws_continues():
        for name in account.release_instances():
            ui.print(f"Gave back the instance that {name} has kept")
        if bucket and contents:
            with ui.bar("Deleting objects", contents.objects) as advance:
                for count in account.empty_bucket(bucket):
                    advance(count)
        _report_events(ui, stack.delete())
    obsolete: Dict[str, Optional[str]] = {
        setting: None
        for output, setting in SETTINGS_BY_OUTPUT.items()
        if output != "Region" and car.config.get(setting) == outputs.get(output)
    }
    if car.settings.folder in users:
        obsolete.update(SAGEMAKER_ROLE_ARN=None, SAGEMAKER_FOLDER=None)
    if is_own(car.settings.image):
        obsolete["SAGEMAKER_IMAGE"] = "auto"
    _write_settings(car, ui, obsolete)


def print_for_administrator(car: Car, account: "Account", ui: PlainUi, options: SetupOptions) -> None:
    """The template as a file to deploy, with instructions and this account's policies in its comments."""
    check_options(options)
    user = options.user or car.settings.folder
    users = [user] if user else []
    names = Names(
        partition=account.partition,
        domain=find_partition(account.region).domain,
        region=account.region,
        account=account.id,
        bucket=car.settings.bucket or "BUCKET",
        prefix=car.settings.prefix,
        role_arn=car.settings.role_arn
        or car_role_pattern(partition=account.partition, account=account.id, user=user or USER),
        kms_key=car.settings.kms_key,
        is_vpc=bool(car.settings.subnets),
        has_queue=bool(options.job_queue),
    )
    parameters = {
        key: value for key, value in _make_parameters(car, options, users).items() if value is not None
    }
    ui.print_exactly(
        _DEPLOY.format(
            region=names.region,
            name=NAME,
            parameters=" ".join(f"{key}={shlex.quote(each)}" for key, each in parameters.items()),
        )
    )
    ui.print_exactly(add_car_roles(read_template(), users))
    policies = [
        ("of the role that SageMaker runs the car's jobs as", make_job_policy(names, folder=user or "USER")),
        ("of the car's IAM user", make_car_policy(names, folder=user or USER)),
        ("of the bucket", make_bucket_policy(names)),
    ]
    if options.email:
        topic_policy = make_topic_policy(names.topic, rule_arns=names.rules, account=account.id)
        policies.append(("of the topic that sends the e-mails", topic_policy))
    for title, policy in policies:
        ui.print_exactly(f"# If you create everything by hand, the policy {title}:")
        ui.print_exactly("".join(f"# {line}\n" for line in json.dumps(policy, indent=2).splitlines()))


def read_template() -> str:
    with open(os.path.join(templates_path(), TEMPLATE_NAME), encoding="utf-8") as file:
        return file.read()


def report_plan(ui: PlainUi, plan: Plan) -> None:
    """What will change, and what it costs."""
    if not plan.changes:
        ui.print("Everything exists already and is up to date.")
        return
    for change in plan.changes:
        action = _ACTIONS.get(change.action, change.action.lower())
        replaced = ", replaced by a new one" if change.is_replaced else ""
        ui.print(f"  {action:<8}{change.resource:<14} {change.type}{replaced}")
    ui.print(
        "None of this costs anything while it is not used. A gigabyte in the bucket costs about 0.03 USD a "
        "month, a gigabyte of images 0.10, building an image 0.005 a minute; `train --dry-run` shows what a "
        "job costs."
    )


def _choose_users(known: Sequence[str], options: SetupOptions) -> List[str]:
    """The users of all cars.

    Raises:
        BadUser
    """
    users = sorted({*known, *([options.user] if options.user else [])} - {options.remove_user or ""})
    for user in users:
        if not FOLDER.accepts(user):
            raise BadUser(user)
    return users


def _find_user(car: Car, users: Sequence[str], options: SetupOptions) -> Optional[str]:
    """The user of this car: the one in the command or in myconfig.py, otherwise the only one there is."""
    wanted = options.user or car.settings.folder
    if wanted is None and len(users) == 1:
        return users[0]
    return wanted if wanted in users else None


def _make_parameters(car: Car, options: SetupOptions, users: Sequence[str]) -> Dict[str, Optional[str]]:
    """The template's parameters."""
    return {
        "Prefix": car.settings.prefix,
        "KeepDays": None if options.keep_days is None else str(options.keep_days),
        "CarUsers": ",".join(users),
        "KmsKey": car.settings.kms_key,
        "Vpc": "true" if car.settings.subnets else None,
        "BudgetUsd": None if options.budget_usd is None else str(options.budget_usd),
        "BudgetEmail": None if options.budget_usd is None else options.email,
        "Email": options.email,
        "JobQueueInstances": None if options.job_queue is None else str(options.job_queue),
    }


def _report_events(ui: PlainUi, events: Iterator[Event]) -> None:
    """A line for each step that has finished."""
    for event in events:
        if not event.status.endswith("_IN_PROGRESS"):
            ui.print(f"  {event.status:<26}{event.resource}")


def _write_settings(car: Car, ui: PlainUi, values: Dict[str, Optional[str]]) -> None:
    for variable, value in values.items():
        if car.config.get(variable) != value:
            write_setting(os.path.join(car.path, car.myconfig), variable, value)
            ui.print(f"{car.myconfig}: {variable} = {value!r}")
