"""Run in a process of its own: trains on two devices, which are both this machine's CPU, and on one.

    python replica_child.py TUB BATCH_SIZE TYPE

Prints [history on one device, history on two] as JSON, as its last line. Nothing in the net is random.
"""

import json
import sys
import threading

import tensorflow

from trainer import tensorflow_versions
from trainer.fit import fit
from trainer.pilots import make_pilot
from trainer.replicas import Replicas
from trainer.tensorflow_versions import set_seeds
from trainer_jobs import make_job, read_dataset

EPOCHS = 2


def make_certain(pilot):
    """Without dropout, so that all that differs is how a batch is cut."""
    for layer in pilot.net.layers:
        for each in (layer, getattr(layer, "layer", None)):
            if hasattr(each, "rate"):
                each.rate = 0.0
    return pilot


def train(strategy, job, tub_path):
    set_seeds(1)
    stop = threading.Event()
    replicas = Replicas(strategy, requested=stop)
    pilot = make_certain(make_pilot(job.model_type, job.config))
    dataset = read_dataset(tub_path, job)
    net = replicas.copy(pilot, lambda: make_certain(make_pilot(job.model_type, job.config)))
    fitted = fit(
        net,
        dataset.training_feed(seed=1),
        dataset.feed(dataset.validation),
        config=job.config,
        log_folder="",
        stop=stop,
        checkpoint=None,
        deliver=lambda fitted: None,
        replicas=replicas,
        shows_progress=False,
    )
    return fitted.history


def main(tub_path, batch_size, model_type):
    tensorflow_versions.is_faster = lambda net: False  # bfloat16 rounds by more than the two may differ
    (cpu,) = tensorflow.config.list_physical_devices("CPU")
    tensorflow.config.set_logical_device_configuration(
        cpu, [tensorflow.config.LogicalDeviceConfiguration()] * 2
    )
    job = make_job(model_type, BATCH_SIZE=int(batch_size), MAX_EPOCHS=EPOCHS, USE_EARLY_STOP=False)
    histories = [
        train(tensorflow.distribute.MirroredStrategy(devices), job, tub_path)
        for devices in (["CPU:0"], ["CPU:0", "CPU:1"])
    ]
    print(json.dumps(histories))


if __name__ == "__main__":
    main(*sys.argv[1:])
