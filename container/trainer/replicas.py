"""Trains one net on several devices: the GPUs of this machine, the machines of a job, or both.

Each device has a replica of the net and takes its part of every batch; TensorFlow's MirroredStrategy or
MultiWorkerMirroredStrategy adds up their gradients, so that all replicas stay equal. The batch keeps its
size, BATCH_SIZE, however many devices share it: so learning rate and losses are those of one device.

The loop is our own, because `fit` of Keras 3 does not work with several machines (keras-team/keras#20585),
and because here the machines agree on when to stop.
"""

import contextlib
import json
import signal
import threading
from typing import Any, Callable, Dict, List, Optional

import tensorflow

from donkey_sagemaker.errors import BadInput

from .cluster import Crew
from .feed import Feed, without_tuning
from .pilot import Pilot
from .sharding import Share, make_part
from .tensorflow_versions import IS_TENSORFLOW_1, VERSION, adapt_to_cpu, get_optimizer_state, keras

# The longest that TensorFlow may take to connect the machines, and they for a batch: while the leader writes
# a model, the others wait for it in a batch.
CONNECT_S, BATCH_S = 300.0, 900.0
AGREE_EVERY = 8  # batches; a stop must be agreed on, as each machine waits for the others in every batch


class OneMachineOnly(BadInput):
    def __init__(self) -> None:
        super().__init__(
            f"TensorFlow {VERSION} of this image trains on one machine only.",
            "Leave out --instance-count, and set SAGEMAKER_INSTANCE_COUNT = 1 in myconfig.py.",
        )


class Replicas:
    """
    Attributes:
        stop: is set once all machines have agreed to stop.
    """

    def __init__(self, strategy: Any, *, requested: threading.Event, crew: Optional[Crew] = None) -> None:
        self._strategy = strategy
        self._crew = crew
        self._requested = requested
        self.stop = threading.Event() if crew else requested

    def __str__(self) -> str:
        count = self._strategy.num_replicas_in_sync
        machines = len(self._crew.place.hosts) if self._crew else 1
        return f"{count} devices" if machines == 1 else f"{machines} machines with {count} devices"

    def describe_batches(self, batch_size: int) -> str:
        count = self._strategy.num_replicas_in_sync
        return (
            f"{self} share each batch of {batch_size} (BATCH_SIZE), {-(-batch_size // count)} for each;"
            " the learning rate stays as it is"
        )

    def copy(self, pilot: Pilot, make: Callable[[], Pilot]) -> Any:
        """A compiled net on all devices with the weights of the pilot's net.

        Args:
            make: makes the same pilot again.
        """
        with self._strategy.scope():
            copied = make()
            copied.compile()
            get_optimizer_state(copied.net)  # which makes its variables, on all devices
        copied.net.set_weights(pilot.net.get_weights())
        return copied.net

    def check_same(self, facts: Dict[str, Any]) -> None:
        """
        Raises:
            MachinesDiffer
        """
        if self._crew:
            self._crew.check_same(facts)

    def run_fit(
        self,
        net: Any,
        training: Feed,
        validation: Feed,
        *,
        initial_epoch: int,
        epochs: int,
        callbacks: List[Any],
        verbose: int = 0,
    ) -> None:
        """Does what tensorflow_versions.run_fit does, with a net that `copy` has made."""
        tensorflow.get_logger().setLevel("ERROR")  # it would report each of its reductions
        self.check_same(
            {
                "epoch": initial_epoch,
                "number of examples": [len(training.examples), len(validation.examples)],
                "batch size": training.batch_size,
            }
        )
        with contextlib.ExitStack() as context:
            callbacks = [*callbacks, *adapt_to_cpu(net, training.batch_size, context)]
            self._run(net, training, validation, range(initial_epoch, epochs), callbacks)

    def _run(self, net: Any, training: Feed, validation: Feed, epochs: range, callbacks: List[Any]) -> None:
        # Keras 3 makes the variables of metrics in the first step, which a function with replicas may not do.
        self._make_step(net.test_step, validation, epochs, is_compiled=False)()
        train = self._make_step(net.train_step, training, epochs)
        validate = self._make_step(net.test_step, validation, epochs)
        called = keras.callbacks.CallbackList(callbacks, model=net)
        net.stop_training = False
        called.on_train_begin()
        for epoch in epochs:
            called.on_epoch_begin(epoch)
            net.reset_metrics()
            for step in range(training.steps):
                called.on_train_batch_begin(step)
                train()
                self._agree(step)
                called.on_train_batch_end(step)
            logs = read_metrics(net)
            net.reset_metrics()
            called.on_test_begin()
            for step in range(validation.steps):
                called.on_test_batch_begin(step)
                validate()
                self._agree(step)
                called.on_test_batch_end(step)
            validated = read_metrics(net)
            called.on_test_end(validated)
            logs.update({f"val_{name}": value for name, value in validated.items()})
            # The same numbers give the same decisions on every machine.
            called.on_epoch_end(epoch, self._share(logs))
            if net.stop_training:
                break
        called.on_train_end()

    def _make_step(
        self,
        step: Callable[[Any], Any],
        feed: Feed,
        epochs: range,
        *,
        is_compiled: bool = True,
    ) -> Callable[[], None]:
        """A function that does the next step of all epochs on all devices."""
        strategy = self._strategy
        batches = self._make_batches(feed, epochs)

        def run(data: Any) -> None:
            (inputs, targets), weights = data
            step((feed.make_numbers(inputs, tensorflow), targets, weights))

        def run_next(batches: Any) -> None:
            strategy.run(run, args=(next(batches),))

        compiled = tensorflow.function(run_next) if is_compiled else run_next

        def run_bounded() -> None:
            with self._bounded():
                compiled(batches)

        return run_bounded

    def _make_batches(self, feed: Feed, epochs: range) -> Any:
        """An iterator over this machine's parts of all batches, with a weight for each example."""
        tf, strategy = tensorflow, self._strategy
        replicas = strategy.num_replicas_in_sync

        def make_dataset(share: Share) -> Any:
            make = make_part(
                len(feed.examples), batch_size=feed.batch_size, share=share, seed=feed.shuffle_seed
            )
            steps = feed.steps * share.here
            numbers = tf.data.Dataset.range(epochs.start * steps, epochs.stop * steps)
            parts = numbers.map(lambda number: tf.numpy_function(make, [number], [tf.int64, tf.float32]))
            rows = parts.map(lambda rows, weights: tf.ensure_shape(rows, [None]))
            weights = parts.map(lambda rows, weights: tf.ensure_shape(weights, [None]))
            return without_tuning(tf.data.Dataset.zip((feed.dataset(tf, rows), weights)), tf)

        def make_for(context: Any) -> Any:
            here = replicas // context.num_input_pipelines
            return make_dataset(Share(replicas, first=context.input_pipeline_id * here, here=here))

        if len(strategy.extended.worker_devices) > 1:
            return iter(strategy.distribute_datasets_from_function(make_for))
        # The strategy's own iterators are tuned, whatever the datasets say.
        return iter(make_dataset(Share(replicas, first=self._crew.place.rank if self._crew else 0, here=1)))

    def _bounded(self) -> Any:
        return self._crew.within(BATCH_S, "finish a batch") if self._crew else contextlib.ExitStack()

    def _agree(self, step: int) -> None:
        if self._crew and step % AGREE_EVERY == 0 and self._crew.any(self._requested.is_set()):
            self.stop.set()

    def _share(self, logs: Dict[str, float]) -> Dict[str, float]:
        if self._crew is None:
            return logs
        shared = self._crew.broadcast(json.dumps(logs).encode("utf-8"))
        return {name: float(value) for name, value in json.loads(shared.decode("utf-8")).items()}


def make_replicas(gpus: int, *, requested: threading.Event, crew: Optional[Crew]) -> Optional[Replicas]:
    """None if there is only one device. It must be called before TensorFlow computes anything.

    Args:
        gpus: how many this machine has that TensorFlow can use.
        requested: is set when this machine is asked to stop.
    Raises:
        OneMachineOnly
    """
    if crew is not None:
        if IS_TENSORFLOW_1:
            raise OneMachineOnly()
        spec = tensorflow.train.ClusterSpec({"worker": crew.addresses})
        resolver = tensorflow.distribute.cluster_resolver.SimpleClusterResolver(
            spec, task_type="worker", task_id=crew.place.rank, rpc_layer="grpc"
        )
        with crew.within(CONNECT_S, "be connected by TensorFlow"):
            strategy = tensorflow.distribute.MultiWorkerMirroredStrategy(resolver)
        # TensorFlow has just taken SIGTERM for itself, in C++, so that Python's own handler is not called.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        return Replicas(strategy, requested=requested, crew=crew)
    if gpus > 1 and not IS_TENSORFLOW_1:
        return Replicas(tensorflow.distribute.MirroredStrategy(), requested=requested)
    return None


def read_metrics(net: Any) -> Dict[str, float]:
    """The means of an epoch. All machines must read them, because each one has a part of them."""
    if hasattr(net, "get_metrics_result"):  # since Keras 2.11
        results = net.get_metrics_result()
    else:
        results = {metric.name: metric.result() for metric in net.metrics}
    return {name: float(value) for name, value in results.items()}
