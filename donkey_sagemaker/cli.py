"""Parse, make settings, work; and the one place where an error becomes a message and an exit code."""

import argparse
import os
import sys
from typing import Any, List

from . import VERBS
from .errors import DonkeySagemakerError
from .settings import BOOLEAN, SETTINGS

INTERRUPTED = 130
PLUGGING = {
    "install": "Add the commands to a car's manage.py and its settings to myconfig.py.",
    "uninstall": "Take them out again: manage.py is as it was.",
}


def main(argv: List[str], *, car_path: str = ".") -> int:
    """Runs one verb, e.g. ["train", "--tub", "data"].

    Returns:
        0 done or detached on request, 1 the job failed or its model was refused, 2 bad input or settings,
        3 AWS refused, 130 interrupted.
    """
    parser = make_parser()
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        text = "{0} has no {1}; `{2} {0} --help` lists what it has"
        parser.error(text.format(arguments.verb, unknown[0], parser.prog))
    try:
        return run(arguments, car_path)
    except KeyboardInterrupt:
        print("Interrupted: nothing was started or changed.", file=sys.stderr)
        return INTERRUPTED
    except DonkeySagemakerError as error:
        if arguments.debug:
            raise
        print(f"{error.what}\n{error.fix}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if arguments.debug:
            raise
        print(
            f"Something went wrong that this program did not foresee: {type(error).__name__}: {error}\n"
            "Run it again with --debug and report what it prints.",
            file=sys.stderr,
        )
        return 1


def run(arguments: argparse.Namespace, car_path: str) -> int:
    """Hands the verb's story what it needs. Imports stand here, so that `--help` waits for none of them."""
    from .ui import make_ui

    ui = make_ui()
    if arguments.verb in PLUGGING:
        from .car import manage_py

        for line in getattr(manage_py, arguments.verb)(arguments.path or car_path):
            ui.say(line)
        return 0
    if arguments.verb == "setup":
        return _run_setup(arguments, car_path, ui)
    from .car.car import open_car
    from .cloud import open_cloud
    from .commands import doctor, image, jobs, rollback, train
    from .commands import models as comparing
    from .interrupts import interrupt_on_hangup
    from .training import plan as planning

    flags = {each.attribute: getattr(arguments, each.attribute, None) for each in SETTINGS if each.has_flag}
    flags["backend"] = "local" if arguments.local else None
    if arguments.verb == "doctor" and arguments.write_car:
        doctor.write_car(ui, os.path.join(car_path, os.path.expanduser(arguments.write_car)))
        return 0
    if arguments.verb == "doctor":
        findings = doctor.examine(
            lambda: open_car(car_path, flags=flags, myconfig=arguments.myconfig),
            lambda car: open_cloud(car.settings, car.scratch("local"), trains=True),
            tub=arguments.tub,
        )
        return doctor.tell(ui, findings, as_json=arguments.json)
    car = open_car(car_path, flags=flags, myconfig=arguments.myconfig)
    if arguments.verb == "jobs" and arguments.report:
        comparing.show_models(car, ui)
        return 0
    if arguments.verb == "jobs" and arguments.sum:
        jobs.show_sum(car, ui)
        return 0
    if arguments.verb == "rollback":
        rollback.roll_model_back(car, ui, model=arguments.model)
        return 0
    cloud = open_cloud(car.settings, car.scratch("local"), trains=arguments.verb == "train")
    interrupt_on_hangup()
    if arguments.verb == "image":
        runtime = train.the_runtime(car)
        image.make_image(car, cloud, ui, runtime, docker=arguments.docker, dry_run=arguments.dry_run)
    elif arguments.verb == "jobs":
        jobs.show_jobs(car, cloud, ui)
    elif arguments.verb == "stop":
        launch = train.find_launch(car, cloud, name=arguments.job)
        jobs.stop_job(cloud, ui, launch)
        if arguments.install or ui.ask("Install what it has learned so far?"):
            train.attach(car, cloud, ui, name=launch.job, debug=arguments.debug)
        else:
            jobs.tell_how_to_install(ui, launch)
    elif arguments.attach is not None:
        train.attach(car, cloud, ui, name=arguments.attach or None, debug=arguments.debug)
    else:
        train.train(
            car,
            cloud,
            ui,
            debug=arguments.debug,
            wish=planning.Wish(
                tub=arguments.tub,
                model=arguments.model,
                model_type=arguments.type,
                transfer=arguments.transfer,
                comment=arguments.comment,
                detach=arguments.detach,
                dry_run=arguments.dry_run,
            ),
        )
    return 0


def _run_setup(arguments: argparse.Namespace, car_path: str, ui: Any) -> int:
    from .car.car import open_car
    from .cloud import open_account
    from .commands import setup

    car = open_car(car_path, flags={}, myconfig=arguments.myconfig)
    account = open_account(car.settings)
    wish = setup.Wish(
        user=arguments.user,
        keep_days=arguments.keep_days,
        budget_usd=arguments.budget,
        email=arguments.email,
        dry_run=arguments.dry_run,
    )
    if arguments.print:
        setup.print_for_administrator(car, account, ui, wish)
    elif arguments.teardown:
        setup.tear_down(car, account, ui, yes=arguments.yes, dry_run=arguments.dry_run)
    else:
        setup.set_up(car, account, ui, wish)
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="donkey-sagemaker",
        description="Trains a donkeycar's model on AWS SageMaker or on this machine, and installs it.",
        epilog="In a car's folder, `python manage.py sagemaker-VERB` is `donkey-sagemaker VERB`.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    verbs.required = True
    for verb, text in PLUGGING.items():
        plugging = verbs.add_parser(verb, help=text, description=text)
        plugging.add_argument("--path", metavar="CAR", help="the car's folder (default: this one)")
        _add_debug(plugging)
    for verb, text in VERBS.items():
        verb_parser = verbs.add_parser(verb, help=text, description=text)
        if verb == "train":
            _add_train_options(verb_parser)
        if verb == "doctor":
            _add_doctor_options(verb_parser)
        if verb == "jobs":
            verb_parser.add_argument(
                "--report", action="store_true", help="make a page of all models of this car instead"
            )
            verb_parser.add_argument(
                "--sum", action="store_true", help="tell what they cost, month by month, instead"
            )
        if verb == "stop":
            verb_parser.add_argument(
                "job", nargs="?", metavar="JOB", help="(default: the newest that is not done)"
            )
            verb_parser.add_argument(
                "--install", action="store_true", help="wait for its end, and install what it has learned"
            )
        if verb == "image":
            verb_parser.add_argument(
                "--docker", action="store_true", help="build it here, by docker, podman or buildah"
            )
            verb_parser.add_argument(
                "--dry-run", action="store_true", help="print what would be done; do nothing"
            )
        if verb == "rollback":
            verb_parser.add_argument(
                "model", nargs="?", metavar="MODEL", help="(default: the one that changed last)"
            )
        if verb == "setup":
            _add_setup_options(verb_parser)
        else:
            verb_parser.add_argument(
                "--local", action="store_true", help='train on this machine: SAGEMAKER_BACKEND = "local"'
            )
        verb_parser.add_argument(
            "--myconfig", metavar="FILE", default="myconfig.py", help="(default: myconfig.py)"
        )
        _add_debug(verb_parser)
    return parser


def _add_setup_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", metavar="NAME", help="give this IAM user what the car may do")
    parser.add_argument(
        "--keep-days", metavar="DAYS", type=int, help="delete what is older from the bucket (at first: 90)"
    )
    parser.add_argument(
        "--budget", metavar="USD", type=int, help="write an e-mail when the account costs more in a month"
    )
    parser.add_argument("--email", metavar="ADDRESS", help="where to write it to")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would change")
    parser.add_argument(
        "--print", action="store_true", help="print the template and the policies for an administrator"
    )
    parser.add_argument(
        "--teardown", action="store_true", help="delete all of it, with what is in the bucket"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before a teardown")


def _add_doctor_options(parser: argparse.ArgumentParser) -> None:
    _add_tub(parser)
    parser.add_argument("--json", action="store_true", help="print what is found as JSON")
    parser.add_argument(
        "--car",
        metavar="FILE",
        dest="write_car",
        nargs="?",
        const="car.json",
        help="only write what this car runs, for SAGEMAKER_CAR on another machine (default: car.json)",
    )


def _add_tub(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tub",
        "--tubs",
        metavar="PATHS",
        help="tubs, folders of tubs or globs, by comma (default: DATA_PATH)",
    )


def _add_train_options(parser: argparse.ArgumentParser) -> None:
    _add_tub(parser)
    parser.add_argument("--model", metavar="PATH", help="(default: models/pilot_YY-MM-DD_N)")
    parser.add_argument(
        "--type", help="linear, categorical, ... as `drive` writes it (default: DEFAULT_MODEL_TYPE)"
    )
    parser.add_argument("--transfer", metavar="MODEL", help="start from this model")
    parser.add_argument("--comment", metavar="TEXT", help="goes into the pilot database")
    parser.add_argument("--detach", action="store_true", help="return as soon as the job runs")
    parser.add_argument(
        "--attach",
        metavar="JOB",
        nargs="?",
        const="",
        help="go on with a job (default: the newest not installed)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the request, the objects and the price; send nothing"
    )
    for setting in SETTINGS:
        if not setting.has_flag:
            continue
        words = f"{setting.help} ({setting.variable} in myconfig.py)"
        if setting.kind is BOOLEAN:
            parser.add_argument(setting.flag, action="store_true", default=None, help=words)
        else:
            parser.add_argument(setting.flag, metavar=setting.name.rpartition("_")[2], help=words)


def _add_debug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--debug", action="store_true", help="show the whole log of a job, and the traceback of an error"
    )
