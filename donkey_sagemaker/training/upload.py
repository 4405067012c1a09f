"""From the car into the bucket: the shards that it does not hold yet, and the job's own files."""

import hashlib
import json
import os
import threading
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from .. import __version__, contract
from ..car.car import Car
from ..car.ledger import Launch
from ..car.runtime import Runtime, bare_type
from ..cloud.images import Image, is_stock
from ..cloud.request import JobKeys, make_manifest
from ..errors import BadInput
from ..tubs.reader import Tub
from ..tubs.shards import PackReport, Shard, pack
from ..ui import Advance, PlainUi, Rate, format_bytes
from .trainer_code import build_trainer, fetch_wheels

AT_ONCE = 3  # uploads; each holds a shard of about 8 MiB in memory


class NoGoodRecords(BadInput):
    def __init__(self, paths: List[str], report: PackReport) -> None:
        why = ", ".join(f"{count} x {reason}" for reason, count in report.set_aside.most_common())
        super().__init__(
            "{} {} no record that can be trained on{}.".format(
                ", ".join(paths), "holds" if len(paths) == 1 else "hold", f" ({why})" if why else ""
            ),
            "Name a tub with good records: --tub=PATH.",
        )


class Parcel(NamedTuple):
    """The job's own files, by their names in the channel."""

    car: Dict[str, bytes]
    code: Dict[str, bytes]

    @property
    def code_sha256(self) -> str:
        return _digest(self.code)


def make_parcel(
    car: Car, runtime: Runtime, launch: Launch, *, tub_paths: Dict[str, str], images: Sequence[Image]
) -> Parcel:
    """Config, the model to transfer from, what the trainer must know, and what an image lacks.

    Args:
        tub_paths: by the tub's name in the shards.
        images: those that the job may run in.
    Raises:
        NoWheels
    """
    modules = custom_modules(car)
    description = {
        "format": 1,
        "plugin": __version__,
        "name": os.path.basename(launch.base),
        "type": bare_type(launch.model_type),
        "models": [(os.path.basename(launch.base) + ending, form) for ending, form in launch.models],
        "transfer": os.path.basename(launch.transfer) if launch.transfer else None,
        "tubs": {name: car.shown(path) for name, path in tub_paths.items()},
        "custom_modules": {key: os.path.basename(path) for key, path in modules.items()},
        "car": runtime.describe(),
    }
    files = {contract.JOB_NAME: json.dumps(description, indent=1).encode("utf-8")}
    paths = [os.path.join(car.path, contract.CONFIG_NAME)] + list(modules.values())
    for path in paths:
        files[os.path.basename(path)] = read_bytes(path)
    myconfig_path = os.path.join(car.path, car.myconfig)
    if os.path.exists(myconfig_path):
        files[contract.MYCONFIG_NAME] = read_bytes(myconfig_path)
    if launch.transfer:
        files.update(read_tree(launch.transfer))
    code: Dict[str, bytes] = {}
    if any(image.stock for image in images):
        code[contract.TRAINER_NAME] = build_trainer()
    if any(is_stock(image.uri) for image in images):
        code[contract.WHEELS_NAME] = fetch_wheels(car.scratch("wheels"))
    return Parcel(car=files, code=code)


class Sent(NamedTuple):
    """What became of the tubs' shards."""

    sha256s: List[str]  # of every shard of this job
    bytes_by_key: Dict[str, int]  # of those that the bucket did not hold yet
    set_aside: Dict[str, int]  # reason -> how many things of the tubs cannot be used


class Outbox:
    """Puts several shards at once, and holds no more than a few in memory.

    What goes wrong with one is raised at the next call. The threads are daemons, for Ctrl-C must not wait
    for an upload that tries again and again.
    """

    def __init__(self, cloud: Any, *, advance: Advance) -> None:
        self.rate = Rate()
        self._cloud = cloud
        self._advance = advance
        self._room = threading.Semaphore(AT_ONCE)
        self._errors: List[BaseException] = []

    def put(self, key: str, shard: Shard) -> None:
        """Returns as soon as there is room for one more."""
        self._room.acquire()
        if self._errors:
            raise self._errors[0]
        threading.Thread(target=self._put, args=(key, shard), daemon=True).start()

    def wait(self) -> None:
        """Until everything has arrived."""
        for _ in range(AT_ONCE):
            self._room.acquire()
        if self._errors:
            raise self._errors[0]

    def _put(self, key: str, shard: Shard) -> None:
        try:
            self._cloud.put(key, shard.body)
            self._advance(shard.records, self.rate.add(len(shard.body)))
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits
            self._errors.append(error)
        finally:
            self._room.release()


def send_shards(
    car: Car, cloud: Any, ui: PlainUi, keys: JobKeys, tubs: List[Tub], launch: Launch, *, dry_run: bool
) -> Sent:
    """Packs the tubs and puts into the bucket what it does not hold yet.

    Args:
        dry_run: only finds out what would be put.
    Raises:
        NoGoodRecords, Unreachable
    """
    report = PackReport()
    size = (car.config.get("IMAGE_W", 160), car.config.get("IMAGE_H", 120))
    there = cloud.list_objects(keys.shards)
    sha256s: List[str] = []
    sent: Dict[str, int] = {}
    with ui.bar("Sending pictures", launch.records) as advance:
        outbox = Outbox(cloud, advance=advance)
        for tub in tubs:
            for shard in pack(tub, report=report, size=size):
                key = keys.shard(shard.sha256)
                sha256s.append(shard.sha256)
                is_new = key not in there and key not in sent
                if is_new:
                    sent[key] = len(shard.body)
                if is_new and not dry_run:
                    outbox.put(key, shard)
                else:
                    advance(shard.records)
        outbox.wait()
    tell_report(ui, report, size)
    if not report.records:
        raise NoGoodRecords([car.shown(path) for path in launch.tubs], report)
    tell_sent(ui, sent, len(sha256s), outbox.rate, dry_run=dry_run)
    return Sent(sha256s, sent, dict(report.set_aside))


def tell_sent(ui: PlainUi, sent: Dict[str, int], shards: int, rate: Rate, *, dry_run: bool) -> None:
    if not sent:
        ui.say(f"Nothing to send: the bucket has all {shards} shards already")
        return
    ui.say(
        "{} {} of {} shards, {}{}{}".format(
            "Would send" if dry_run else "Sent",
            len(sent),
            shards,
            format_bytes(sum(sent.values())),
            "" if dry_run else f" in {rate.seconds:.1f} s ({rate.note()})",
            "" if len(sent) == shards else "; the bucket has the others already",
        )
    )


def tell_report(ui: PlainUi, report: PackReport, size: Tuple[int, int]) -> None:
    ui.say(
        "{} good records{}".format(report.records, f", {report.deleted} deleted" if report.deleted else "")
    )
    for reason, count in report.set_aside.most_common():
        ui.warn("set aside: {} x {} ({})".format(count, reason, ", ".join(report.examples[reason])))
    if report.other_size:
        ui.warn(
            "{} pictures are not {}x{} (IMAGE_W x IMAGE_H); they are resized".format(report.other_size, *size)
        )


def job_files(cloud: Any, keys: JobKeys, parcel: Parcel, sha256s: List[str]) -> Dict[str, bytes]:
    """The job's own objects by key, without those of the code that the bucket has from an earlier job."""
    files = {keys.car(name): body for name, body in parcel.car.items()}
    files[keys.manifest] = json.dumps(make_manifest(keys, sha256s)).encode("utf-8")
    code_prefix = keys.code(parcel.code_sha256)
    there = cloud.list_objects(code_prefix) if parcel.code else {}
    files.update(
        {code_prefix + name: body for name, body in parcel.code.items() if code_prefix + name not in there}
    )
    return files


def send_job(cloud: Any, keys: JobKeys, parcel: Parcel, sha256s: List[str]) -> None:
    """Puts the job's own files into the bucket."""
    for key, body in job_files(cloud, keys, parcel, sha256s).items():
        cloud.put(key, body)


def _digest(files: Dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, body in sorted(files.items()):
        digest.update(f"{hashlib.sha256(body).hexdigest()} {name}\n".encode("utf-8"))
    return digest.hexdigest()


def custom_modules(car: Car) -> Dict[str, str]:
    """Files of the owner's own transformations, by the config's name for them (CUSTOM_x_MODULE)."""
    return {
        name: value
        for name, value in car.config.values.items()
        if name.startswith("CUSTOM")
        and name.endswith("_MODULE")
        and isinstance(value, str)
        and os.path.isfile(value)
    }


def read_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def read_tree(path: str) -> Dict[str, bytes]:
    """A model's bytes by its name; those of a SavedModel folder by their names below it."""
    name = os.path.basename(path)
    if not os.path.isdir(path):
        return {name: read_bytes(path)}
    bodies = {}
    for child in sorted(os.listdir(path)):
        for below, body in read_tree(os.path.join(path, child)).items():
            bodies[name + "/" + below] = body
    return bodies
