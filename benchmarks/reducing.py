#!/usr/bin/env python3
"""What two machines do together, alone: adding up the gradients of a linear net, and agreeing on a stop.

    .environments/dk53/bin/python benchmarks/reducing.py

Two processes with one core each, connected over the loopback. Prints the median time of each in milliseconds.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from typing import Callable

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(REPO, "tests"), os.path.join(REPO, "container"), REPO]

WEIGHTS = 817_028  # of a linear net for 160x120 pixels
TIMES = 100
HOSTS = ["algo-1", "algo-2"]


def main() -> None:
    from crew import free_ports

    addresses = {host: f"127.0.0.1:{port}" for host, port in zip(HOSTS, free_ports(2))}
    environ = dict(os.environ, DONKEY_SAGEMAKER_ADDRESSES=json.dumps(addresses), TF_CPP_MIN_LOG_LEVEL="2")
    children = [subprocess.Popen([sys.executable, __file__, host], env=environ) for host in HOSTS]
    for core, child in zip(sorted(os.sched_getaffinity(0)), children):
        os.sched_setaffinity(child.pid, [core])
    sys.exit(max(child.wait() for child in children))


def run(here: str) -> None:
    from trainer.cluster import Place, meet

    crew = meet(Place(here, HOSTS), lambda cause: os._exit(1))
    import tensorflow as tf

    spec = tf.train.ClusterSpec({"worker": crew.addresses})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        spec, task_type="worker", task_id=crew.place.rank, rpc_layer="grpc"
    )
    strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    gradients = tf.ones([WEIGHTS])

    @tf.function
    def reduce() -> None:
        strategy.run(lambda: tf.distribute.get_replica_context().all_reduce("SUM", gradients))

    reduced, agreed = median_ms(reduce), median_ms(lambda: crew.any(False))
    if crew.is_leader:
        print(f"adding up {WEIGHTS} numbers: {reduced:.1f} ms; agreeing: {agreed:.2f} ms", flush=True)
    crew.part()
    crew.end()
    crew.close()


def median_ms(do: Callable[[], object]) -> float:
    times = []
    for _ in range(TIMES):
        started = time.perf_counter()
        do()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times[5:])


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
