"""The story of sagemaker-doctor: whether car, tubs and AWS account are fit for a training. It only looks.

The checks are those that `train` makes, each in a line of its own, so that all that is wrong is told at once.
"""

import json
import os
import shutil
import tempfile
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from .. import __version__, atomic
from ..aws.errors import NoQuota, Unreachable
from ..car import database
from ..car.car import Car, check_writable
from ..car.model_files import plan_models
from ..car.runtime import Runtime, bare_type, find_runtime
from ..cloud.forecast import Work
from ..cloud.request import JobKeys, make_request
from ..errors import BadInput, DonkeySagemakerError
from ..findings import CannotCheck, Finding, run_check
from ..training.estimate import Estimator, make_work, no_price
from ..training.plan import default_type
from ..training.upload import NoGoodRecords
from ..tubs.files import FolderFiles
from ..tubs.paths import find_tubs
from ..tubs.reader import Tub, read_tub
from ..tubs.shards import PackReport, pack
from ..ui import PlainUi, format_bytes
from .train import the_runtime

NEEDED_BYTES = 300 * 10**6  # for an archive, what is in it, and the models that it replaces
SAMPLE_BYTES = 2**20  # about what is fetched to measure the network

# Stand in for what is not set yet, so that the rest of a request can be looked at
_NO_BUCKET, _NO_ROLE = "not-set-yet", "arn:aws:iam::000000000000:role/not-set-yet"

FINE, WRONG, UNKNOWN = "fine", "wrong", "unknown"
_MARKS = {FINE: "ok", WRONG: "WRONG", UNKNOWN: "-"}

OpenCar = Callable[[], Car]
OpenCloud = Callable[[Car], Any]


class DiskFull(BadInput):
    def __init__(self, path: str, free_bytes: int) -> None:
        super().__init__(
            f"There are {free_bytes / 1e9:.2f} GB free where {path} is; a model needs"
            f" {NEEDED_BYTES / 1e9:.2f} GB on its way in.",
            "Make room: old tubs are a good start.",
        )


def examine(open_car: OpenCar, open_cloud: OpenCloud, *, tub: Optional[str]) -> Iterator[Finding]:
    """Every check in its turn, the car's first. What rests on something that is wrong is left out.

    Args:
        tub: as given with --tub.
    """
    try:
        car = open_car()
    except BadInput as error:
        yield _wrong("car", error)
        return
    yield Finding("car", f"{car.path}, donkey-sagemaker {__version__}")
    try:
        runtime = the_runtime(car)
    except BadInput as error:
        yield _wrong("runtime", error)
        return
    yield run_check("runtime", lambda: _look_at_runtime(runtime))
    yield run_check("model", lambda: _look_at_model(car, runtime))
    yield run_check("disk", lambda: _look_at_disk(car))
    folders = run_check("folders", lambda: _look_at_folders(car))
    yield folders
    tubs: List[Tub] = []
    yield run_check("tub", lambda: _look_at_tubs(car, tub, tubs))
    if folders.error:
        return  # the rest keeps its notes there
    work = make_work(car, model_type=_model_type(car, runtime), tubs=tubs)
    try:
        cloud = open_cloud(car)
    except DonkeySagemakerError as error:
        yield _wrong("place", error)
        return
    yield Finding("place", "trains " + cloud.place)
    if cloud.bills:
        yield from _examine_account(car, cloud, runtime, work)


def tell(ui: PlainUi, findings: Iterator[Finding], *, as_json: bool) -> int:
    """A line for each as it is found, below it what to do.

    Returns:
        the exit code: 0 where nothing is wrong, 2 where something here is, else 3, for AWS's side.
    """
    codes = {0}
    told: List[Dict[str, Any]] = []
    for finding in findings:
        if finding.error:
            codes.add(finding.error.exit_code)
        told.append(
            {
                "check": finding.subject,
                "state": _state(finding),
                "found": finding.text,
                "fix": finding.error.fix if finding.error else None,
            }
        )
        if not as_json:
            _tell_line(ui, **told[-1])
    if as_json:
        ui.say(json.dumps(told, indent=1))
    return 2 if 2 in codes else max(codes)


def write_car(ui: PlainUi, path: str) -> None:
    """Writes what this Python's donkeycar can load, for SAGEMAKER_CAR on another machine."""
    atomic.write_json(path, find_runtime().describe())
    ui.say(
        f"Written: {path}. Copy it into the car's folder on the machine that trains, and set SAGEMAKER_CAR ="
        f" {os.path.basename(path)!r} in the myconfig.py there."
    )


def _state(finding: Finding) -> str:
    if finding.error:
        return WRONG
    return FINE if finding.checked else UNKNOWN


def _tell_line(ui: PlainUi, *, check: str, state: str, found: str, fix: Optional[str]) -> None:
    margin = "\n" + " " * 19
    ui.say("{:<5}  {:<11} {}".format(_MARKS[state], check, found.replace("\n", margin)))
    if fix:
        ui.say(margin[1:] + "To do: " + fix.replace("\n", margin))


def _wrong(subject: str, error: DonkeySagemakerError) -> Finding:
    return Finding(subject, error.what, error=error)


# The car


def _look_at_runtime(runtime: Runtime) -> str:
    versions = [f"{name} {version}" for name, version in sorted(runtime.versions.items())]
    words = ", ".join(["Python " + runtime.python] * bool(runtime.python) + versions)
    if not any(runtime.loads(form) for form in ("hdf5", "tflite")):
        raise CannotCheck(words + "; nothing here loads a model, so none can be tried before it is installed")
    return words


def _model_type(car: Car, runtime: Runtime) -> str:
    return car.config.get("DEFAULT_MODEL_TYPE") or default_type(runtime)


def _look_at_model(car: Car, runtime: Runtime) -> str:
    model_type = _model_type(car, runtime)
    asked = os.path.join(car.models_path, "pilot")
    plan = plan_models(asked, model_type=model_type, runtime=runtime, config=car.config.values)
    return "{}, as {}".format(bare_type(model_type), ", ".join(form for _ending, form in plan.models))


def _look_at_disk(car: Car) -> str:
    free_bytes = shutil.disk_usage(car.path).free
    if free_bytes < NEEDED_BYTES:
        raise DiskFull(car.path, free_bytes)
    return f"{free_bytes / 1e9:.1f} GB free"


def _look_at_folders(car: Car) -> str:
    for path in (car.path, car.models_path, os.path.join(car.path, ".sagemaker")):
        if os.path.lexists(path):
            check_writable(path)
    database.read_entries(car.database_path)
    return "may be written to"


def _look_at_tubs(car: Car, named: Optional[str], tubs: List[Tub]) -> str:
    """Reads every record and picture, as packing does, and adds the tubs to `tubs`."""
    found = find_tubs(named or "", default=car.data_path, car_path=car.path)
    report = PackReport()
    size_bytes = 0
    for each in found:
        tub = read_tub(FolderFiles(each.path), name=each.name, path=each.path)
        size_bytes += sum(len(shard.body) for shard in pack(tub, report=report))
        tubs.append(tub)
    paths = [car.shown(each.path) for each in found]
    if not report.records:
        tubs.clear()
        raise NoGoodRecords(paths, report)
    words = ["{} in {}".format(f"{report.records} good records", ", ".join(paths))]
    words += [f"{report.deleted} deleted"] if report.deleted else []
    words += [f"{count} x {reason}" for reason, count in report.set_aside.most_common()]
    return ", ".join(words + [format_bytes(size_bytes)])


# The account


def _examine_account(car: Car, cloud: Any, runtime: Runtime, work: Work) -> Iterator[Finding]:
    has_bucket = True
    for finding in cloud.check([]):
        if finding.subject == "credentials" and not finding.error:
            finding = finding._replace(text=f"{finding.text}, {cloud.login_ends()}")
        if finding.subject != "request":
            yield finding
        if finding.error and (
            finding.subject in ("credentials", "clock") or isinstance(finding.error, Unreachable)
        ):
            return  # it is the same with all that follows
        has_bucket = has_bucket and not (finding.subject == "bucket" and finding.error)
    estimator = Estimator(car, cloud, work)
    types = estimator.choose_types()
    try:
        wanted = _make_requests(car, cloud, runtime, types, spot=car.settings.spot)
        others = _make_requests(car, cloud, runtime, types, spot=not car.settings.spot)
    except DonkeySagemakerError as error:
        yield _wrong("image", error)
        return
    # Credentials, clock, bucket and role were looked at above.
    found = [each for each in cloud.check(wanted + others) if each.subject in ("request", "image", "quota")]
    quotas = [each for each in found if each.subject == "quota"]
    yield from (each for each in found if each.subject != "quota")
    yield from _weigh_quotas(quotas[: len(wanted)], quotas[len(wanted) :])
    lacking = {each.error.instance_type for each in quotas[: len(wanted)] if isinstance(each.error, NoQuota)}
    left = [each for each in types if each not in lacking] or types[:1]
    yield run_check("price", lambda: _look_at_price(estimator, left))
    if has_bucket:
        yield run_check("network", lambda: _look_at_network(car, cloud))


def _make_requests(
    car: Car, cloud: Any, runtime: Runtime, types: Sequence[str], *, spot: bool
) -> List[Dict[str, Any]]:
    """Requests like those of a training, which are never sent."""
    settings = car.settings._replace(spot=spot, keep_alive_s=0 if spot else car.settings.keep_alive_s)
    return [
        make_request(
            JobKeys(settings.bucket or _NO_BUCKET, settings.prefix, "donkey-doctor"),
            settings,
            instance_type=each,
            image=cloud.choose_image(runtime.generation, instance_type=each),
            role_arn=settings.role_arn or _NO_ROLE,
            code_prefix="code/",
            tags={},
        )
        for each in types
    ]


def _weigh_quotas(wanted: Sequence[Finding], others: Sequence[Finding]) -> Iterator[Finding]:
    """A missing quota is wrong only where no wanted type has one; that of the other market never is."""
    enough = any(finding.error is None for finding in wanted)
    for finding in list(wanted) + list(others):
        is_needed = finding in wanted and not enough
        yield finding if finding.error is None or is_needed else Finding("quota", finding.text, checked=False)


def _look_at_price(estimator: Estimator, types: Sequence[str]) -> str:
    estimator.check_cost(types)
    words = estimator.describe_price(types[0])
    if words is None:
        raise CannotCheck(no_price(types[0]))
    return words


def _look_at_network(car: Car, cloud: Any) -> str:
    """Fetches something that is in the bucket anyway, as nothing may be put there."""
    sizes = cloud.list_objects(car.settings.prefix + "/")
    if not sizes:
        raise CannotCheck("not measured: the bucket has nothing to fetch yet")
    key = min(sizes, key=lambda each: abs(sizes[each] - SAMPLE_BYTES))
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        cloud.download(key, os.path.join(folder, "sample"), advance=lambda count: None)
        seconds = time.monotonic() - started
    return (
        f"fetched {format_bytes(sizes[key])} in {seconds:.1f} s ({sizes[key] / 1e6 / max(seconds, 1e-3):.1f}"
        " MB/s)"
    )
