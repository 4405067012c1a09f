"""The story of one training, top to bottom: shards, records, examples, pictures, fit, export, archive."""

import os
import random
import threading
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow

from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.reader import Record

from . import examples as examples_of
from .artifact import versions, write_artifact
from .checkpoint import Checkpoint
from .devices import prepare_devices
from .export import Exported, check_format, export
from .feed import Examples, Feed
from .fit import Fitted, fit
from .job import Job
from .memory import bound_bytes
from .opt_ml import OptMl
from .pictures import PictureStore, WrongShape, change_pictures, fit_shape
from .pilots import make_pilot
from .plot import plot_loss
from .reading import Inputs
from .report import Made, TubUsed, make_report
from .review import predict, review
from .samples import SAMPLES, make_samples
from .say import say


class TooFewExamples(BadInput):
    def __init__(self, count: int, reasons: Dict[str, int]) -> None:
        why = ", ".join(f"{n} x {reason}" for reason, n in sorted(reasons.items()))
        super().__init__(
            "{} examples are left to train on{}.".format(count or "No", f" (left out: {why})" if why else ""),
            "Record more, or relax TRAIN_FILTER, SAGEMAKER_MIN_THROTTLE and SAGEMAKER_SLIDE.",
        )


def train(opt_ml: OptMl, stop: threading.Event, inputs: Inputs) -> None:
    """Leaves model, artifact.json and samples in model/; history, plot, report and logs in output/data.

    The best model so far is in model/ after every epoch.
    """
    job, tubs = inputs.job, inputs.tubs
    set_seeds(job.seed)
    devices = prepare_devices()
    say("Training on {}".format(", ".join(devices)))
    check_format(job.models[0][1], model_type=job.model_type)
    pilot = make_pilot(job.model_type, job.config, donkeycar=job.car_versions.get("donkeycar"))
    if job.transfer_path:
        pilot.load(job.transfer_path)
    pilot.compile()

    material = gather_material(pilot, inputs)
    tell_bound(pilot, job, material.store)
    training, validation = examples_of.split(
        material.examples, train_fraction=float(job.config.get("TRAIN_TEST_SPLIT", 0.8)), seed=job.seed
    )
    if not training or not validation:
        raise TooFewExamples(len(material.examples), material.left_out)
    say(
        f"{len(training)} examples to train, {len(validation)} to validate; left out:"
        f" {format_counts(material.left_out)}"
    )
    records = {
        "training": len(training),
        "validation": len(validation),
        "left_out": material.left_out,
    }

    def export_as(models: List[Tuple[str, str]]) -> Exported:
        return export(pilot, models, opt_ml.model, model_type=job.model_type, car_versions=job.car_versions)

    def deliver(fitted: Fitted, exported: Exported, pages: Dict[str, bytes], prefix: str = "") -> None:
        write_artifact(
            opt_ml,
            job,
            pilot,
            exported,
            fitted,
            samples=make_samples(pilot, *sample_steps(pilot, material)),
            records=records,
            pages=pages,
            prefix=prefix,
        )

    def deliver_quickly(so_far: Fitted) -> None:
        """Puts the net as it is now into model/."""
        name, form = make_quick(job.models)
        prefix = f"epoch-{so_far.best_epoch}."
        deliver(so_far, export_as([(prefix + name, form)]), {}, prefix)

    fitted = fit(
        pilot,
        make_feed(pilot, training, material.store, job, seed=job.seed),
        make_feed(pilot, validation, material.store, job, seed=None),
        config=job.config,
        log_folder=os.path.join(opt_ml.output_data, "tensorboard"),
        stop=stop,
        checkpoint=make_checkpoint(opt_ml, job, inputs.shards),
        deliver=deliver_quickly,
    )
    exported = export_as(job.models)
    for note in exported.notes:
        say(note)
    made = Made(
        examples=material.examples,
        training=len(training),
        left_out=material.left_out,
        tubs=[
            TubUsed(job.tub_paths.get(name, name), len(tub.records), tub.deleted)
            for name, tub in tubs.items()
        ],
        formats=[form for _, form in exported.models],
        notes=exported.notes,
        versions=versions(),
        devices=devices,
    )
    deliver(fitted, exported, make_pages(pilot, job, fitted, material, validation, made))


def make_quick(models: List[Tuple[str, str]]) -> Tuple[str, str]:
    """What to write after an epoch: a .tflite is compiled, a SavedModel traced, others just written."""
    name, form = next((model for model in models if model[1] != "tflite"), models[0])
    if form == "savedmodel":
        return name[: -len(form)] + "h5", "h5"
    return name, form


def make_checkpoint(opt_ml: OptMl, job: Job, shards: List[str]) -> Optional[Checkpoint]:
    """The job's checkpoint, where it was started with one."""
    if not os.path.isdir(opt_ml.checkpoints):
        return None
    return Checkpoint(
        opt_ml.checkpoints,
        {
            "shards": [os.path.basename(path) for path in shards],
            "type": job.model_type,
            "transfer": os.path.basename(job.transfer_path or ""),
            "slide": job.slide,
            "throttle": [job.min_throttle, job.floor_throttle],
            "seed": job.seed,
            "tensorflow": tensorflow.__version__,
        },
    )


class Example(NamedTuple):
    records: Sequence[Record]  # one, or a sequence
    inputs: Dict[str, np.ndarray]
    targets: Dict[str, np.ndarray]


class Material(NamedTuple):
    examples: List[Example]
    store: PictureStore
    left_out: Dict[str, int]  # reason -> records (or sequences)


def gather_material(pilot: Any, inputs: Inputs) -> Material:
    """All examples that every record's own data, the settings and the pilot allow, with their pictures."""
    job, numbers = inputs.job, inputs.numbers
    left_out: Dict[str, int] = {}

    def leave_out(reason: str, count: int = 1) -> None:
        if count:
            left_out[reason] = left_out.get(reason, 0) + count

    chosen: List[List[Record]] = []
    for tub in inputs.tubs.values():
        for fault in tub.set_aside:
            leave_out(fault.reason)
        leave_out("deleted", tub.deleted)
        lagged = examples_of.lag_commands(tub.records, job.slide)
        leave_out(f"no command {job.slide} frames later", len(tub.records) - len(lagged))
        kept = [record for record in lagged if pilot.keep(record)]
        leave_out("TRAIN_FILTER", len(lagged) - len(kept))
        limited = examples_of.limit_throttle(kept, minimum=job.min_throttle, floor=job.floor_throttle)
        leave_out(f"throttle at or under {job.min_throttle}", len(kept) - len(limited))
        chosen.extend(examples_of.sequences(limited, pilot.sequence_length))

    used = list(dict.fromkeys(numbers[each.tub, each.image] for records in chosen for each in records))
    store = inputs.pictures()
    if pilot.prepare is not None:
        store = change_pictures(store, used, pilot.prepare, pilot.picture_shape)
    elif store.shape != pilot.picture_shape:
        raise WrongShape(store.shape, pilot.picture_shape)
    leave_out("picture cannot be decoded", len(store.faults.keys() & set(used)))

    examples = []
    for records in chosen:
        of_records = [numbers[record.tub, record.image] for record in records]
        if any(number in store.faults for number in of_records):
            continue
        try:
            example = Example(records, *pilot.example(records, of_records))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            leave_out(describe_lack(error))
        else:
            examples.append(example)
    return Material(examples, store, left_out)


def tell_bound(pilot: Any, job: Job, store: PictureStore) -> None:
    batch_bytes = batch_size(job) * max(1, pilot.sequence_length) * int(np.prod(pilot.picture_shape))
    bound = store.memory_bytes + bound_bytes(pilot.net, batch_size=batch_size(job), batch_bytes=batch_bytes)
    say(f"The trainer stays below {bound / 1e9:.1f} GB of memory")


def describe_lack(error: Exception) -> str:
    """What a record lacks for this type of model, in words."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} missing"
    return str(error)


def make_feed(pilot: Any, chosen: Sequence[Example], store: PictureStore, job: Job, *, seed: Any) -> Feed:
    """A feed for training where there is a seed to shuffle and augment by, else for validation."""
    return Feed(
        Examples.stack([(one.inputs, one.targets) for one in chosen], picture_inputs=pilot.picture_inputs),
        store,
        picture_inputs=pilot.picture_inputs,
        divisor=pilot.picture_divisor,
        batch_size=batch_size(job),
        change=pilot.augment if seed is not None else pilot.finish,
        shuffle_seed=seed,
    )


def batch_size(job: Job) -> int:
    return int(job.config.get("BATCH_SIZE", 128))


def make_pages(
    pilot: Any, job: Job, fitted: Fitted, material: Material, validation: List[Example], made: Made
) -> Dict[str, bytes]:
    """What is to be looked at, by role in the archive."""
    loss = plot_loss(
        fitted.history,
        best_epoch=fitted.best_epoch,
        title=f"{job.name} ({job.model_type})",
    )
    reviewed = review(
        material.examples,
        validation,
        predict=lambda chosen: predict(pilot, make_feed(pilot, chosen, material.store, job, seed=None)),
    )
    report = make_report(
        job,
        fitted,
        reviewed,
        made,
        loss=loss,
        show=lambda example: show_picture(pilot, material.store, example),
    )
    pages = {"report": report.encode("utf-8")}
    if loss is not None:
        pages["plot"] = loss
    return pages


def sample_steps(pilot: Any, material: Material) -> Tuple[List[np.ndarray], List[List[np.ndarray]]]:
    """Pictures and further inputs of a few examples spread over the whole drive."""
    places = np.linspace(0, len(material.examples) - 1, min(SAMPLES, len(material.examples)))
    pictures, others = [], []
    for place in places.astype(int):
        example = material.examples[place]
        pictures.append(show_picture(pilot, material.store, example))
        others.append([example.inputs[name] for name in pilot.drive_inputs(example.inputs)])
    return pictures, others


def show_picture(pilot: Any, store: PictureStore, example: Example) -> np.ndarray:
    """The example's picture, the last one of a sequence, as the car's own net will see it."""
    number = int(np.ravel(example.inputs[pilot.picture_inputs[0]])[-1])
    return fit_shape(pilot.show(store[number]), pilot.picture_shape)


def set_seeds(seed: int) -> None:
    """The same job gives the same model, as far as the hardware's arithmetic allows."""
    random.seed(seed)
    np.random.seed(seed)
    if tensorflow.__version__.startswith("1."):
        tensorflow.set_random_seed(seed)
    else:
        tensorflow.random.set_seed(seed)


def format_counts(counts: Dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "none"
