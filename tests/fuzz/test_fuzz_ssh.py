"""What a host answers: whatever it is, the car ends with an error that it knows."""

import math
import os
import sys
from pathlib import Path

import pytest

from donkey_sagemaker.cloud.cloud import CarId
from donkey_sagemaker.cloud.errors import NoSuchJob
from donkey_sagemaker.errors import DonkeySagemakerError
from donkey_sagemaker.ssh.address import parse_host
from donkey_sagemaker.ssh.backend import SshCloud
from donkey_sagemaker.ssh.connection import Connection, Timing
from fuzzing import needs_fence, repeat

pytestmark = [pytest.mark.minutes, needs_fence]
COUNT = 40
SSH = str(Path(__file__).parent.parent / "spoiled_ssh.py")
CAR = "0123456789ab"
BODY = b"0123456789"
IMPATIENT = Timing(quiet_s=1.5, pauses_s=(), transfer_pauses_s=())


def check_states(cloud):
    for state in cloud.list_jobs():
        assert isinstance(state.name, str) and "/" not in state.name
        assert state.created is None or math.isfinite(state.created)


def use_host(cloud, folder):
    """Everything that a car asks for; yields once after each question."""
    yield cloud.put("p/a", BODY)
    sizes = cloud.list_objects("p/")
    yield [type(size) for size in sizes.values()] == [int] * len(sizes)
    path = folder / "a"
    yield cloud.download("p/a", str(path), advance=lambda count: None)
    yield check_states(cloud)
    yield cloud.reach("donkey-none")
    yield cloud.open_log("donkey-none").read()
    yield list(cloud.preflight([]))
    yield cloud.memory_bytes("ml.m5.xlarge")
    with pytest.raises(NoSuchJob):
        cloud.describe_job("donkey-none")
    yield None


def test_answers_of_a_host(tmp_path, monkeypatch):
    """No answer ends in a traceback, in a hang, or in a file outside of the folder that was asked for."""
    client, home = tmp_path / "bin", tmp_path / "home"
    client.mkdir()
    home.mkdir()
    ssh = client / "ssh"
    monkeypatch.setenv("PATH", f"{client}{os.pathsep}{os.environ['PATH']}")
    completed = []

    def check_host(dice, made):
        seed = dice.randrange(10**6)
        ssh.write_text(f'#!/bin/sh\nexec {sys.executable} {SSH} {seed} {home} "$@"\n')
        ssh.chmod(0o755)
        made.append(f"SEED {seed}")
        cloud = SshCloud(
            Connection(parse_host("pc.local"), timing=IMPATIENT),
            CarId(lambda: CAR, lambda: CAR),
            python=sys.executable,
        )
        folder = tmp_path / str(seed)
        folder.mkdir(exist_ok=True)
        try:
            for _question in use_host(cloud, folder):
                completed.append(seed)
        except DonkeySagemakerError:
            pass
        finally:
            cloud.connection.close()
        assert sorted(os.listdir(str(folder))) in ([], ["a"], ["a.part"], ["a.part", "a.part.json"])

    repeat(check_host, COUNT)
    assert completed  # some answers arrive as they were sent
