"""sagemaker-doctor: checks whether car, tubs and AWS account are ready for a training; changes nothing.

The checks are those that `train` makes, each reported on its own, so that all problems show at once.
"""

import argparse
import json
import os
import tempfile
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from .. import __version__, atomic
from ..car import database
from ..car.car import Car, check_writable, open_car
from ..car.job import Plan
from ..car.model_files import plan_models
from ..car.runtime import bare_type, find_runtime
from ..car.training_config import check_training_config
from ..cloud.cloud import Cloud, blocks_other_checks
from ..cloud.errors import NoQuota
from ..cloud.request import JobKeys, car_folder, make_request
from ..errors import BadInput, DonkeySagemakerError
from ..findings import CannotCheck, Finding, run_check
from ..training.disk import check_disk
from ..training.estimate import Estimator, describe_no_price
from ..training.first_look import review_briefly
from ..training.job_files import read_config_files
from ..training.memory import choose_types_with_memory
from ..training.plan import check_instance_count, default_type, max_epochs, read_tubs
from ..training.upload import NoGoodRecords
from ..training_memory import estimate_bytes
from ..tubs.reader import Tub
from ..tubs.shards import PackReport, pack
from ..ui import BAD, FAINT, PlainUi, format_bytes, format_count, format_gigabytes, make_ui
from ._options import add_car_options, add_tub_option, named_tubs, open_the_cloud, setting_flags

HELP = (
    "Checks everything that a training needs, without changing anything, and shows how to fix what is wrong."
)

SAMPLE_BYTES = 2**20  # about what is downloaded to measure the network

# Used where a setting is missing, so that the rest of a request can be checked
_NO_BUCKET, _NO_ROLE = "not-set-yet", "arn:aws:iam::000000000000:role/not-set-yet"

_ANY_REGION = "us-east-1"  # where only the credentials are checked

FINE, WRONG, UNKNOWN = "fine", "wrong", "unknown"
_MARKS = {FINE: "ok", WRONG: "WRONG", UNKNOWN: "-"}
_STYLES = {FINE: "", WRONG: BAD, UNKNOWN: FAINT}
_INDENT = 19  # of what was found

OpenCar = Callable[[], Car]
OpenCloud = Callable[[Car], Cloud]


def add_options(parser: argparse.ArgumentParser) -> None:
    add_tub_option(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--car",
        metavar="FILE",
        dest="car_file",
        nargs="?",
        const="car.json",
        help="only write what this car runs, for SAGEMAKER_CAR on another machine (default: car.json)",
    )
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    if arguments.car_file:
        write_car_file(ui, os.path.join(car_path, os.path.expanduser(arguments.car_file)))
        return 0
    findings = examine(
        lambda: open_car(car_path, flags=setting_flags(arguments), myconfig=arguments.myconfig),
        lambda car: open_the_cloud(car, trains=True),
        tub=named_tubs(arguments),
    )
    return report(ui, findings, as_json=arguments.json, next_command=_train_command(arguments))


def _train_command(arguments: argparse.Namespace) -> str:
    tub = named_tubs(arguments)
    words = ["python manage.py sagemaker-train", "--local" * arguments.local, f"--tub={tub}" if tub else ""]
    return " ".join(word for word in words if word)


def examine(open_car: OpenCar, open_cloud: OpenCloud, *, tub: Optional[str]) -> Iterator[Finding]:
    """Every check, the car's first. What depends on something that is wrong is left out.

    Args:
        tub: as given with --tub.
    """
    try:
        car = open_car()
    except BadInput as error:
        yield _wrong("car", error)
        return
    yield Finding("car", f"{car.path}, donkey-sagemaker {__version__}")
    runtime = run_check("runtime", lambda: _check_runtime(car))
    yield runtime
    if runtime.error:
        return
    model_type = default_type(car)
    yield run_check("model", lambda: _check_model(car, model_type))
    yield run_check("disk", lambda: check_disk(car.path))
    folders = run_check("folders", lambda: _check_folders(car))
    yield folders
    tubs: Dict[str, Tub] = {}
    yield run_check("tub", lambda: _check_tubs(car, tub, tubs))
    if tubs:
        yield run_check("review", lambda: _check_review(tubs))
    if folders.error:
        return  # the remaining checks keep their files there
    plan = Plan(
        model_type=model_type,
        base=os.path.join(car.models_path, "pilot"),
        models=[],
        tubs=list(tubs),
        transfer=None,
        comment=None,
        records=sum(each.estimate_records() for each in tubs.values()),
        max_epochs=max_epochs(car),
    )
    try:
        cloud = open_cloud(car)
    except DonkeySagemakerError as error:
        yield _wrong("place", error)
        if car.settings.region is None and car.settings.backend == "aws":
            yield from _examine_without_region(car, open_cloud)
        return
    yield Finding("place", f"trains {cloud.place}")
    yield run_check("memory", lambda: _check_memory(car, cloud, plan))
    if cloud.bills:
        yield from _examine_account(car, cloud, plan)
    else:
        yield from _examine_host(car, cloud)


def report(ui: PlainUi, findings: Iterator[Finding], *, as_json: bool, next_command: str) -> int:
    """A line for each finding as it arrives, and below it what to do; at the end, what comes next.

    Args:
        next_command: to type if nothing is wrong.
    Returns:
        the exit code: 0 if nothing is wrong, 2 if something on this side is, otherwise 3, for AWS's side.
    """
    codes = {0}
    reported: List[Dict[str, Any]] = []
    for finding in findings:
        if finding.error:
            codes.add(finding.error.exit_code)
        reported.append(
            {
                "check": finding.subject,
                "state": _state(finding),
                "found": finding.text,
                "fix": finding.error.fix if finding.error else None,
            }
        )
        if not as_json:
            _print_line(ui, **reported[-1])
    wrong = [each["check"] for each in reported if each["state"] == WRONG]
    if as_json:
        ui.print_exactly(json.dumps(reported, indent=1))
    elif wrong:
        ui.print(
            f"{format_count(len(wrong), 'problem')}: {', '.join(wrong)}. Nothing was changed.", style=BAD
        )
    else:
        ui.print("Nothing is wrong. Next:")
        ui.print_command(next_command)
    return 2 if 2 in codes else max(codes)


def write_car_file(ui: PlainUi, path: str) -> None:
    """Writes what this Python's donkeycar can load, for SAGEMAKER_CAR on another machine."""
    atomic.write_json(path, find_runtime().describe())
    ui.print(
        f"Written: {path}. Copy it into the car's folder on the machine that trains, and set SAGEMAKER_CAR = "
        f"{os.path.basename(path)!r} in the myconfig.py there."
    )


def _state(finding: Finding) -> str:
    if finding.error:
        return WRONG
    return FINE if finding.checked else UNKNOWN


def _print_line(ui: PlainUi, *, check: str, state: str, found: str, fix: Optional[str]) -> None:
    indent = " " * _INDENT
    found = found.replace("\n", "\n" + indent)
    ui.print(f"{_MARKS[state]:<5}  {check:<11} {found}", style=_STYLES[state], hang=_INDENT)
    if fix:
        fix = fix.replace("\n", "\n" + indent)
        ui.print(f"{indent}To do: {fix}", hang=_INDENT)


def _wrong(subject: str, error: DonkeySagemakerError) -> Finding:
    return Finding(subject, error.what, error=error)


# The car


def _check_runtime(car: Car) -> str:
    runtime = car.runtime
    versions = [f"Python {runtime.python}"] * bool(runtime.python)
    versions += [f"{name} {version}" for name, version in sorted(runtime.versions.items())]
    text = ", ".join(versions)
    if not any(runtime.loads(form) for form in ("hdf5", "tflite")):
        raise CannotCheck(
            f"{text}; no package here can load a model, so a new one cannot be checked before it is installed"
        )
    return text


def _check_model(car: Car, model_type: str) -> str:
    check_instance_count(car)
    check_training_config(car.config.values, donkeycar=car.runtime.donkeycar)
    read_config_files(car)
    files = plan_models(
        os.path.join(car.models_path, "pilot"),
        model_type=model_type,
        runtime=car.runtime,
        config=car.config.values,
    )
    return f"{bare_type(model_type)}, as {', '.join(form for _ending, form in files.models)}"


def _check_folders(car: Car) -> str:
    for path in (car.path, car.models_path):
        if os.path.lexists(path):
            check_writable(path)
    car.check_state()
    database.read_entries(car.database_path)
    return "writable"


def _check_tubs(car: Car, named: Optional[str], tubs: Dict[str, Tub]) -> str:
    """Reads every record and picture, as packing does, and adds the tubs to `tubs`."""
    found = read_tubs(car, named)
    packed = PackReport()
    size_bytes = sum(len(shard.body) for tub in found.values() for shard in pack(tub, report=packed))
    paths = [car.display(path) for path in found]
    if not packed.records:
        raise NoGoodRecords(paths, packed)
    tubs.update(found)
    parts = [f"{packed.records} good records in {', '.join(paths)}"]
    parts += [f"{packed.deleted} deleted"] if packed.deleted else []
    parts += [f"{count} x {reason}" for reason, count in packed.set_aside.most_common()]
    return ", ".join([*parts, format_bytes(size_bytes)])


def _check_memory(car: Car, cloud: Cloud, plan: Plan) -> str:
    estimator, config, model_type = Estimator(car, cloud, plan), car.config.values, bare_type(plan.model_type)
    _types, warning = choose_types_with_memory(
        cloud,
        estimator.choose_types(),
        config=config,
        model_type=model_type,
        are_named=not estimator.is_auto,
    )
    return warning or f"the training takes up to {format_gigabytes(estimate_bytes(config, model_type))}"


def _check_review(tubs: Dict[str, Tub]) -> str:
    """What was recorded is up to the owner, so a finding is no problem that stops a training."""
    verdict = review_briefly(tubs)
    if verdict is None:
        raise CannotCheck("the driving was not reviewed: this Python does not have NumPy and Pillow")
    return verdict


# The account


def _examine_without_region(car: Car, open_cloud: OpenCloud) -> Iterator[Finding]:
    """The credentials, which are the same in every region, and what is not set."""
    car.settings = car.settings._replace(region=_ANY_REGION)
    try:
        findings = open_cloud(car).preflight([])
    except DonkeySagemakerError:
        return  # it was reported
    not_set = {"bucket": car.settings.bucket is None, "role": car.settings.role_arn is None}
    for finding in findings:
        if finding.subject == "credentials" or not_set.get(finding.subject):
            yield finding


def _examine_account(car: Car, cloud: Cloud, plan: Plan) -> Iterator[Finding]:
    has_bucket, is_blocked = True, False
    for finding in cloud.preflight([]):
        if finding.subject != "request":
            yield finding
        is_blocked = is_blocked or blocks_other_checks(finding)
        has_bucket = has_bucket and not (finding.subject == "bucket" and finding.error)
    if is_blocked:
        return
    estimator = Estimator(car, cloud, plan)
    types = estimator.choose_types()
    try:
        wanted = _make_requests(car, cloud, types, spot=car.settings.spot)
        others = _make_requests(car, cloud, types, spot=not car.settings.spot)
    except DonkeySagemakerError as error:
        yield _wrong("image", error)
        return
    # Credentials, clock, bucket and role were checked above.
    findings = list(cloud.preflight(wanted + others))
    yield from (each for each in findings if each.subject in ("request", "image"))
    quotas = [each for each in findings if each.subject == "quota"]
    yield from _weigh_quotas(quotas[: len(wanted)], quotas[len(wanted) :])
    lacking = {each.error.instance_type for each in quotas[: len(wanted)] if isinstance(each.error, NoQuota)}
    allowed = [each for each in types if each not in lacking] or types[:1]
    yield run_check("price", lambda: _check_price(estimator, allowed))
    if has_bucket:
        yield run_check("network", lambda: _check_network(car, cloud))


def _examine_host(car: Car, cloud: Cloud) -> Iterator[Finding]:
    """What a machine that bills nothing needs."""
    findings = list(cloud.preflight([]))
    yield from findings
    if cloud.disk_path is None and not any(map(blocks_other_checks, findings)):
        yield run_check("network", lambda: _check_network(car, cloud))


def _make_requests(car: Car, cloud: Cloud, types: Sequence[str], *, spot: bool) -> List[Dict[str, Any]]:
    """Requests like those of a training, which are never sent."""
    settings = car.settings._replace(spot=spot, keep_alive_s=0 if spot else car.settings.keep_alive_s)
    return [
        make_request(
            JobKeys(settings.bucket or _NO_BUCKET, settings.prefix, "donkey-doctor", settings.folder),
            settings,
            instance_type=each,
            image=cloud.choose_image(car.runtime.generation, instance_type=each),
            role_arn=settings.role_arn or _NO_ROLE,
            code_prefix="code/",
            tags={},
        )
        for each in types
    ]


def _weigh_quotas(wanted: Sequence[Finding], others: Sequence[Finding]) -> Iterator[Finding]:
    """A missing quota is wrong only where no wanted type has one; that of the other market never is."""
    is_enough = any(finding.error is None for finding in wanted)
    for finding in wanted:
        yield Finding("quota", finding.text, checked=False) if finding.error and is_enough else finding
    for finding in others:
        yield Finding("quota", finding.text, checked=False) if finding.error else finding


def _check_price(estimator: Estimator, types: Sequence[str]) -> str:
    estimator.check_cost(types)
    text = estimator.describe_price(types[0])
    if text is None:
        raise CannotCheck(describe_no_price(types[0]))
    return text


def _check_network(car: Car, cloud: Cloud) -> str:
    """Downloads an object that is in the bucket anyway, since doctor puts nothing there."""
    sizes = cloud.list_objects(car_folder(car.settings.prefix, car.settings.folder) + "/")
    if not sizes:
        raise CannotCheck("not measured: the bucket holds nothing to download yet")
    key = min(sizes, key=lambda each: abs(sizes[each] - SAMPLE_BYTES))
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        cloud.download(key, os.path.join(folder, "sample"), advance=lambda count: None)
        seconds = time.monotonic() - started
    rate = sizes[key] / 1e6 / max(seconds, 1e-3)
    return f"downloaded {format_bytes(sizes[key])} in {seconds:.1f} s ({rate:.1f} MB/s)"
