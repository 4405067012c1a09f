"""The options of sagemaker-setup, and what is wrong with them."""

import argparse
import re
from typing import NamedTuple, Optional

from ..errors import BadInput
from ..setting_kinds import FOLDER
from ._options import add_myconfig_option

MOST_DAYS, MOST_USD, MOST_INSTANCES = 3650, 10**6, 1000  # the same limits as in the template


class IncompleteBudget(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "--budget (US dollars a month) needs --email, the address to warn.",
            "Give both: --budget=10 --email=you@example.com.",
        )


class BadNumber(BadInput):
    def __init__(self, option: str, value: int, *, most: int) -> None:
        super().__init__(
            f"{option}={value} is not a number from 1 to {most}.",
            f"Give a number in that range, or leave {option} out to keep what is set.",
        )


class BadAddress(BadInput):
    def __init__(self, address: str) -> None:
        super().__init__(
            f"--email={address} is not an e-mail address.",
            "Give one like --email=you@example.com.",
        )


class BadUser(BadInput):
    def __init__(self, user: str) -> None:
        super().__init__(
            f"{user} cannot be the user of a car: its name is also that of the car's folder in the bucket.",
            f"Create an IAM user for the car with {FOLDER.expected.partition(' such')[0]}, and give its name"
            " with --user.",
        )


class SetupOptions(NamedTuple):
    """What the command line asks for; None to keep what is set, or the template's default."""

    user: Optional[str]  # IAM user of a car, which gets the car's policy, a folder and a role for its jobs
    remove_user: Optional[str]  # one that loses them
    keep_days: Optional[int]
    budget_usd: Optional[int]
    email: Optional[
        str
    ]  # gets a message for each job that ends, and warnings about the budget; "" for nobody
    job_queue: Optional[int]  # instances that train at the same time for the job queue; 0 for no queue
    dry_run: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--user",
        metavar="NAME",
        help="give this IAM user the permissions of a car, with a folder and a role of its own",
    )
    parser.add_argument(
        "--remove-user", metavar="NAME", help="take these permissions and the role from this IAM user"
    )
    parser.add_argument(
        "--keep-days",
        metavar="DAYS",
        type=int,
        help="delete objects in the bucket after this many days (default: 90)",
    )
    email = parser.add_mutually_exclusive_group()
    email.add_argument(
        "--email", metavar="ADDRESS", help="send a message to this address when a training job ends"
    )
    email.add_argument(
        "--no-email", dest="email", action="store_const", const="", help="send no more of these messages"
    )
    parser.add_argument(
        "--budget",
        metavar="USD",
        type=int,
        help="also warn that address when the account costs more in a month",
    )
    queue = parser.add_mutually_exclusive_group()
    queue.add_argument(
        "--job-queue",
        metavar="N",
        type=int,
        help="let jobs wait in a queue that trains on N instances at the same time, at most your quota",
    )
    queue.add_argument(
        "--no-job-queue", dest="job_queue", action="store_const", const=0, help="delete that queue"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    parser.add_argument(
        "--print", action="store_true", help="print the template and the policies for an administrator"
    )
    parser.add_argument(
        "--teardown", action="store_true", help="delete all of it, the content of the bucket included"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before a teardown")
    add_myconfig_option(parser)


def check_options(options: SetupOptions) -> None:
    """
    Raises:
        IncompleteBudget, BadNumber, BadAddress, BadUser
    """
    if options.user is not None and not FOLDER.accepts(options.user):
        raise BadUser(options.user)
    if options.budget_usd is not None and not options.email:
        raise IncompleteBudget()
    for option, value, most in (
        ("--keep-days", options.keep_days, MOST_DAYS),
        ("--budget", options.budget_usd, MOST_USD),
    ):
        if value is not None and not 1 <= value <= most:
            raise BadNumber(option, value, most=most)
    # 0 is --no-job-queue
    if options.job_queue is not None and not 0 <= options.job_queue <= MOST_INSTANCES:
        raise BadNumber("--job-queue", options.job_queue, most=MOST_INSTANCES)
    if options.email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", options.email):
        raise BadAddress(options.email)
