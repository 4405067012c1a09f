"""The files that one job reads beside the shards: the car's config, the model to start from, our trainer."""

import hashlib
import json
import os
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from .. import __version__, contract
from ..car.car import Car
from ..car.config_files import find_config_files
from ..car.job import Job, Plan
from ..car.runtime import bare_type
from ..cloud.cloud import Cloud
from ..cloud.images import Image, is_stock
from ..cloud.request import make_manifest
from ..tubs.reader import Tub
from .trainer_code import build_trainer, fetch_wheels, make_script


class JobFiles(NamedTuple):
    """Contents by the file's name in its channel."""

    car: Dict[str, bytes]
    code: Dict[str, bytes]

    @property
    def code_sha256(self) -> str:
        digest = hashlib.sha256()
        for name, body in sorted(self.code.items()):
            digest.update(f"{hashlib.sha256(body).hexdigest()} {name}\n".encode("utf-8"))
        return digest.hexdigest()


def make_job_files(
    car: Car,
    plan: Plan,
    tubs: Mapping[str, Tub],
    *,
    images: Sequence[Image],
    tuning: Optional[Dict[str, Any]] = None,
) -> JobFiles:
    """Config, the model to transfer from, what the trainer must know, and what an image lacks.

    Args:
        tubs: by path.
        images: those that the job may run in.
        tuning: what its trials are, or may be, for the trainer.
    Raises:
        NoWheels
        FileNotSent, ConfigFailsInJob, ConfigTooSlow: the config needs something that a job cannot have.
    """
    modules = custom_modules(car)
    scratch = car.state_path("incoming")  # the next command cleans up there after a power cut
    os.makedirs(scratch, exist_ok=True)
    config_files = read_config_files(car, scratch=scratch)
    names = name_modules(modules, taken={name: os.path.join(car.path, name) for name in config_files})
    description: Dict[str, Any] = {
        "format": 1,
        "plugin": __version__,
        "name": plan.name,
        "type": bare_type(plan.model_type),
        "models": [(plan.name + ending, form) for ending, form in plan.models],
        "transfer": os.path.basename(plan.transfer) if plan.transfer else None,
        "tubs": {tub.name: car.display(path) for path, tub in tubs.items()},
        "custom_modules": names,
        "car": car.runtime.describe(),
    }
    if tuning:
        description["tuning"] = tuning
    files = {contract.JOB_NAME: json.dumps(description, indent=1).encode("utf-8")}
    files.update(config_files)
    for key, path in modules.items():
        files[names[key]] = _read_bytes(path)
    if plan.transfer:
        files.update(_read_tree(plan.transfer))
    code: Dict[str, bytes] = {}
    if any(image.stock for image in images):
        code[contract.TRAINER_NAME] = build_trainer()
        if tuning and "parameters" in tuning:  # a tuning of SageMaker's cannot set an entry point
            code[contract.SCRIPT_NAME] = make_script()
    if any(is_stock(image.uri) for image in images):
        code[contract.WHEELS_NAME] = fetch_wheels(car.state_path("wheels"))
    return JobFiles(car=files, code=code)


def read_config_files(car: Car, *, scratch: Optional[str] = None) -> Dict[str, bytes]:
    """What a job needs to execute the car's config, by the file's name in the job.

    Raises:
        FileNotSent, ConfigFailsInJob, ConfigTooSlow: it needs something that a job cannot have.
    """
    modules = list(custom_modules(car).values())
    return find_config_files(car.path, myconfig=car.myconfig, modules=modules, scratch=scratch)


def custom_modules(car: Car) -> Dict[str, str]:
    """Paths of the owner's own transformations, by the config's name for them (CUSTOM_x_MODULE)."""
    return {
        name: value
        for name, value in car.config.values.items()
        if name.startswith("CUSTOM")
        and name.endswith("_MODULE")
        and isinstance(value, str)
        and os.path.isfile(value)
    }


def name_modules(modules: Mapping[str, str], *, taken: Mapping[str, str]) -> Dict[str, str]:
    """A file name of its own in the channel for each path; its base name where that is free.

    Args:
        taken: paths of the other files in the channel, by name.
    """
    names: Dict[str, str] = {}
    paths = {contract.JOB_NAME: "", **{name: os.path.realpath(path) for name, path in taken.items()}}
    for key, path in modules.items():
        path = os.path.realpath(path)
        name = os.path.basename(path)
        if paths.get(name, path) != path:
            name = f"{key.lower()}_{name}"
        names[key] = name
        paths[name] = path
    return names


def objects_to_put(cloud: Cloud, job: Job, files: JobFiles, sha256s: List[str]) -> Dict[str, bytes]:
    """The job's own objects by key, without code that the bucket holds from an earlier job.

    Args:
        sha256s: of every shard of the job.
    """
    keys = job.keys
    objects = {keys.car(name): body for name, body in files.car.items()}
    objects[keys.manifest] = json.dumps(make_manifest(keys, sha256s)).encode("utf-8")
    code_prefix = keys.code(files.code_sha256)
    held = cloud.list_objects(code_prefix) if files.code else {}
    for name, body in files.code.items():
        if code_prefix + name not in held:
            objects[code_prefix + name] = body
    return objects


def _read_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _read_tree(path: str) -> Dict[str, bytes]:
    """A model's content by its name; that of a SavedModel folder by the names below it."""
    name = os.path.basename(path)
    if not os.path.isdir(path):
        return {name: _read_bytes(path)}
    return {
        f"{name}/{below}": body
        for child in sorted(os.listdir(path))
        for below, body in _read_tree(os.path.join(path, child)).items()
    }
