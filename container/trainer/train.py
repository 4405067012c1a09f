"""One training from top to bottom: pilot, dataset, fit, proof of driving, delivery."""

import os
import threading
from typing import Dict, Optional

import numpy as np

from .checkpoint import Checkpoint
from .dataset import Dataset, make_dataset
from .delivery import Delivery
from .devices import prepare_devices
from .driving_proof import prove
from .export import check_format
from .fit import fit
from .log import log
from .memory import available_bytes, bound_bytes, peak_bytes
from .opt_ml import OptMl
from .pilot import Pilot
from .pilots import make_pilot
from .reading import Inputs
from .tensorflow_versions import VERSION, set_seeds


def train(opt_ml: OptMl, stop: threading.Event, inputs: Inputs) -> None:
    """Leaves model, artifact.json and samples in model/; history, plot, report and logs in output/data.

    The best model so far is in model/ after every epoch.
    """
    job = inputs.job
    set_seeds(job.seed)
    devices = prepare_devices()
    log(f"Training on {', '.join(devices)}")
    check_format(job.models[0][1], model_type=job.model_type)
    pilot = make_pilot(job.model_type, job.config, donkeycar=job.car_versions.get("donkeycar"))
    if job.transfer_path:
        pilot.load(job.transfer_path)
    pilot.compile()
    dataset = make_dataset(pilot, inputs)
    report_memory(pilot, dataset)
    log(
        f"{len(dataset.training)} examples to train, {len(dataset.validation)} to validate; left out:"
        f" {format_counts(dataset.left_out)}"
    )
    delivery = Delivery(opt_ml, inputs, pilot=pilot, dataset=dataset)
    fitted = fit(
        pilot.net,
        dataset.training_feed(seed=job.seed),
        dataset.feed(dataset.validation),
        config=job.config,
        log_folder=os.path.join(opt_ml.output_data, "tensorboard"),
        stop=stop,
        checkpoint=open_checkpoint(opt_ml, inputs),
        deliver=delivery.deliver_best_so_far,
    )
    delivery.deliver(fitted, devices, prove(pilot, dataset, inputs, stop=stop))


def report_memory(pilot: Pilot, dataset: Dataset) -> None:
    pictures = dataset.batch_size * max(1, pilot.sequence_length)
    batch_bytes = pictures * int(np.prod(pilot.picture_shape))
    bound = dataset.store.memory_bytes + bound_bytes(
        pilot.net, batch_size=dataset.batch_size, batch_bytes=batch_bytes
    )
    log(f"The trainer stays below {bound / 1e9:.1f} GB of memory")
    most = available_bytes() + peak_bytes()
    if bound > most:
        log(
            f"This machine has {most / 1e9:.1f} GB for it: if the training is killed, set a BATCH_SIZE below"
            f" {dataset.batch_size}"
        )


def open_checkpoint(opt_ml: OptMl, inputs: Inputs) -> Optional[Checkpoint]:
    """The job's checkpoint; None if the job was started without one."""
    if not os.path.isdir(opt_ml.checkpoints):
        return None
    job = inputs.job
    return Checkpoint(
        opt_ml.checkpoints,
        {
            "shards": [os.path.basename(path) for path in inputs.shards],
            "type": job.model_type,
            "transfer": os.path.basename(job.transfer_path or ""),
            "slide": job.slide,
            "throttle": [job.min_throttle, job.floor_throttle],
            "autopilot": job.autopilot,
            "takeover_weight": job.takeover_weight,
            "validation": job.validation,
            "recipe": [job.recipe, *job.camera, job.turning_radius_m],
            "seed": job.seed,
            "tensorflow": VERSION,
        },
    )


def format_counts(counts: Dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "none"
