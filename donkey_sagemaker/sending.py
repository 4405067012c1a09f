"""From the car into the bucket: the shards that it does not hold yet, and the job's own files."""

import hashlib
import json
import os
import time
from typing import Any, Dict, List, Tuple

from . import __version__, contract
from .car.ledger import Launch
from .car.runtime import Runtime, bare_type
from .car.workplace import Car
from .cloud.code import build_trainer
from .cloud.images import Image
from .cloud.request import JobKeys, make_manifest, make_request
from .errors import BadInput
from .tubs.reader import Tub
from .tubs.shards import PackReport, pack
from .ui import PlainUi, format_bytes


class NoGoodRecords(BadInput):
    def __init__(self, paths: List[str], report: PackReport) -> None:
        why = ", ".join("{} x {}".format(count, reason) for reason, count in report.set_aside.most_common())
        super().__init__(
            "{} {} no record that can be trained on{}.".format(
                ", ".join(paths), "holds" if len(paths) == 1 else "hold", " ({})".format(why) if why else ""
            ),
            "Name a tub with good records: --tub=PATH.",
        )


def send_shards(
    car: Car, cloud: Any, ui: PlainUi, keys: JobKeys, tubs: List[Tub], launch: Launch
) -> List[str]:
    """Packs the tubs and puts into the bucket what it does not hold yet.

    Returns:
        SHA-256 of every shard of this job.
    Raises:
        NoGoodRecords
    """
    report = PackReport()
    size = (car.config.get("IMAGE_W", 160), car.config.get("IMAGE_H", 120))
    there = cloud.list_objects(keys.shards)
    shards: List[str] = []
    sent, sent_bytes = 0, 0
    started = time.monotonic()
    with ui.bar("Sending pictures", sum(tub.count_records() for tub in tubs)) as advance:
        for tub in tubs:
            for shard in pack(tub, report=report, size=size):
                key = keys.shard(shard.sha256)
                if key not in there:
                    cloud.put(key, shard.body)
                    sent, sent_bytes = sent + 1, sent_bytes + len(shard.body)
                shards.append(shard.sha256)
                advance(shard.records)
    tell_report(ui, report, size)
    if not report.records:
        raise NoGoodRecords([car.shown(path) for path in launch.tubs], report)
    ui.say(
        "Sent {} of {} shards, {} in {:.1f} s{}".format(
            sent,
            len(shards),
            format_bytes(sent_bytes),
            time.monotonic() - started,
            "" if sent == len(shards) else "; the bucket has the others already",
        )
    )
    return shards


def tell_report(ui: PlainUi, report: PackReport, size: Tuple[int, int]) -> None:
    ui.say(
        "{} good records{}".format(
            report.records, ", {} deleted".format(report.deleted) if report.deleted else ""
        )
    )
    for reason, count in report.set_aside.most_common():
        ui.warn("set aside: {} x {} ({})".format(count, reason, ", ".join(report.examples[reason])))
    if report.other_size:
        ui.warn(
            "{} pictures are not {}x{} (IMAGE_W x IMAGE_H); they are resized".format(report.other_size, *size)
        )


def send_job(
    car: Car,
    cloud: Any,
    runtime: Runtime,
    keys: JobKeys,
    launch: Launch,
    *,
    names: Dict[str, str],
    shards: List[str],
) -> Dict[str, Any]:
    """Puts the job's own files into the bucket, and makes the request."""
    modules = custom_modules(car)
    description = {
        "format": 1,
        "plugin": __version__,
        "name": os.path.basename(launch.base),
        "type": bare_type(launch.model_type),
        "models": [(os.path.basename(launch.base) + ending, form) for ending, form in launch.models],
        "transfer": os.path.basename(launch.transfer) if launch.transfer else None,
        "tubs": {name: car.shown(path) for name, path in names.items()},
        "custom_modules": {key: os.path.basename(path) for key, path in modules.items()},
        "car": runtime.describe(),
    }
    bodies = {contract.JOB_NAME: json.dumps(description, indent=1).encode("utf-8")}
    paths = [os.path.join(car.path, contract.CONFIG_NAME)] + list(modules.values())
    for path in paths:
        bodies[os.path.basename(path)] = read_bytes(path)
    myconfig_path = os.path.join(car.path, car.myconfig)
    if os.path.exists(myconfig_path):
        bodies[contract.MYCONFIG_NAME] = read_bytes(myconfig_path)
    if launch.transfer:
        bodies.update(read_tree(launch.transfer))
    for name, body in bodies.items():
        cloud.put(keys.car(name), body)
    trainer = build_trainer()
    code_key = keys.code(hashlib.sha256(trainer).hexdigest())
    cloud.put(code_key, trainer)
    cloud.put(keys.manifest, json.dumps(make_manifest(keys, shards)).encode("utf-8"))
    return make_request(
        keys,
        car.settings,
        instance_type=car.settings.instance_type[0],
        image=Image(cloud.image, stock=True),
        role_arn=cloud.role_arn,
        code_prefix=code_key[: -len(contract.TRAINER_NAME)],
        tags={
            "car": os.path.basename(car.path),
            "model": os.path.basename(launch.base),
            "donkey-sagemaker": __version__,
        },
    )


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
