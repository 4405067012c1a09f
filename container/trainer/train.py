"""One training from top to bottom: pilot, dataset, fit, proof of driving, delivery."""

import os
import threading
from typing import Any, Dict, Optional

import numpy as np

from donkey_sagemaker.contract import driving_loss
from donkey_sagemaker.tuning import format_objective, objective

from .callbacks import Fitted
from .checkpoint import Checkpoint, State
from .cluster import Crew
from .dataset import Dataset, make_dataset
from .delivery import Delivery
from .devices import prepare_devices
from .driving_proof import Proof, prove
from .export import check_format
from .fit import fit
from .log import log
from .memory import available_bytes, bound_bytes, peak_bytes
from .opt_ml import OptMl
from .pilot import Pilot
from .pilots import new_pilot
from .reading import Inputs
from .replicas import make_replicas
from .shared_checkpoint import SharedCheckpoint
from .tensorflow_versions import VERSION, set_seeds
from .trials import HeldState, choose_trial


def train(opt_ml: OptMl, stop: threading.Event, inputs: Inputs, crew: Optional[Crew] = None) -> None:
    """Leaves model, artifact.json and samples in model/; history, plot, report and logs in output/data.

    The best model so far is in model/ after every epoch.

    Args:
        crew: of a training on several machines, of which only the leader writes these files.
    """
    devices = prepare_devices()
    log(f"Training on {', '.join(devices)}")
    inputs, state = choose_trial(inputs, opt_ml, stop=stop)
    job = inputs.job
    set_seeds(job.seed)
    replicas = make_replicas(len(devices), requested=stop, crew=crew)
    check_format(job.models[0][1], model_type=job.model_type)
    pilot = new_pilot(job)
    if job.transfer_path:
        pilot.load(job.transfer_path)
    pilot.compile()
    dataset = make_dataset(pilot, inputs)
    report_memory(pilot, dataset)
    log(
        f"{len(dataset.training)} examples to train, {len(dataset.validation)} to validate; left out:"
        f" {format_counts(dataset.left_out)}"
    )
    net = pilot.net
    if replicas:
        # What delivers and drives is the pilot's own net, on one device, with the weights of this one.
        net = replicas.copy(pilot, lambda: new_pilot(job))
        log(replicas.describe_batches(dataset.batch_size))
    leads = crew is None or crew.is_leader
    delivery = Delivery(opt_ml, inputs, pilot=pilot, dataset=dataset) if leads else None

    def deliver_best_so_far(fitted: Fitted) -> None:
        if delivery:
            copy_weights(net, pilot)
            delivery.deliver_best_so_far(fitted)

    fitted = fit(
        net,
        dataset.training_feed(seed=job.seed),
        dataset.feed(dataset.validation),
        config=job.config,
        log_folder=os.path.join(opt_ml.output_data, "tensorboard"),
        stop=replicas.stop if replicas else stop,
        checkpoint=continue_from(None if replicas else state, open_checkpoint(opt_ml, inputs, crew)),
        deliver=deliver_best_so_far,
        replicas=replicas,
        shows_progress=leads,
        is_trial=bool(job.tuned),
    )
    if crew:
        crew.part()
    if delivery:
        copy_weights(net, pilot)
        devices = devices + [str(replicas)] if replicas else devices
        proof = prove(pilot, dataset, inputs, stop=stop)
        if job.tuned:
            report_objective(fitted, proof)
        delivery.deliver(fitted, devices, proof)


def report_objective(fitted: Fitted, proof: Optional[Proof]) -> None:
    """By how it drove, or by its loss, SageMaker compares this trial with others."""
    drove = None
    if proof and proof.metres:
        drove = driving_loss(100 * proof.times_off / proof.metres, proof.mean_distance_m)
    val_loss = fitted.history["val_loss"][fitted.best_epoch - 1]
    print(format_objective(objective(val_loss=val_loss, driving_loss=drove)), flush=True)


def copy_weights(net: Any, pilot: Pilot) -> None:
    if net is not pilot.net:
        pilot.net.set_weights(net.get_weights())


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


def open_checkpoint(opt_ml: OptMl, inputs: Inputs, crew: Optional[Crew]) -> Optional[Checkpoint]:
    """The job's checkpoint; None if the job was started without one."""
    folder = opt_ml.checkpoints if os.path.isdir(opt_ml.checkpoints) else None
    if folder and inputs.job.tuned:  # the trials of a tuning may have one folder in the bucket
        folder = os.path.join(folder, opt_ml.job_name)
        os.makedirs(folder, exist_ok=True)
    training = describe_training(inputs)
    if crew:
        return SharedCheckpoint(folder, training, crew=crew)
    return Checkpoint(folder, training) if folder else None


def continue_from(state: Optional[State], checkpoint: Optional[Checkpoint]) -> Optional[Checkpoint]:
    """The checkpoint, with this state if it has none of its own."""
    if state is None:
        return checkpoint
    if checkpoint is None:
        return HeldState(state)
    if not os.path.exists(checkpoint.path):
        checkpoint.write(state)
    return checkpoint


def describe_training(inputs: Inputs) -> Dict[str, Any]:
    """What a checkpoint must be of, in JSON's types, to continue from it."""
    job = inputs.job
    about = {
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
    }
    chosen = {**job.tuned, **job.trial}
    return dict(about, tuned=chosen) if chosen else about


def format_counts(counts: Dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "none"
