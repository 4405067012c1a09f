"""Trains on several machines, as SageMaker does: a trainer process for each one, all on the loopback."""

import json
import os
import socket
from typing import Any, Callable, List

from opt_ml_factory import make_opt_ml
from trainer_process import TRAIN_PATH, TrainerProcess


def free_ports(count: int) -> List[int]:
    """So many ports of which the next one is free, too."""
    ports: List[int] = []
    held = []
    while len(ports) < count:
        first, second = socket.socket(), socket.socket()
        first.bind(("127.0.0.1", 0))
        held += [first, second]
        try:
            second.bind(("127.0.0.1", first.getsockname()[1] + 1))
        except (OSError, OverflowError):
            continue
        ports.append(first.getsockname()[1])
    for each in held:
        each.close()
    return ports


def make_bases(folder: Any, tub_path: str, hosts: List[str], **options: Any) -> List[str]:
    """A /opt/ml for each of the hosts."""
    return [
        make_opt_ml(
            os.path.join(str(folder), host),
            tub_path,
            resources={"current_host": host, "hosts": hosts, "network_interface_name": "lo"},
            **options,
        )
        for host in hosts
    ]


def start_crew(python: str, bases: List[str], hosts: List[str], **environ: str) -> List[TrainerProcess]:
    addresses = {host: f"127.0.0.1:{port}" for host, port in zip(hosts, free_ports(len(hosts)))}
    environ["DONKEY_SAGEMAKER_ADDRESSES"] = json.dumps(addresses)
    return [TrainerProcess([python, TRAIN_PATH, "train"], base, **environ) for base in bases]


def end_crew(crew: List[TrainerProcess], check: Callable[[List[TrainerProcess]], Any] = list) -> List[int]:
    """The exit codes; every process is gone afterwards, whatever happens."""
    try:
        check(crew)
        return [each.end() for each in crew]
    finally:
        for each in crew:
            each.process.kill()
            each.watchdog.cancel()
