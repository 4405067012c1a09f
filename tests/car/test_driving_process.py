"""The process that drives models: it starts before there is one, and does one task after the other."""

import errno
import os
import pathlib
import subprocess
import sys
import time
from typing import Any, List

import pytest

from donkey_sagemaker.car.archive import ModelFile
from donkey_sagemaker.car.check import Checked, ModelRejected, check_models
from donkey_sagemaker.car.driving_process import DrivingProcess
from small_donkeycar import MEAN, install_small_donkeycar, write_samples

pytest.importorskip("numpy")

# Counts how often a donkeycar is imported
COUNTING = "open(__file__ + '.imports', 'a').write('.')\n"


class Bench:
    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        install_small_donkeycar(path)
        (path / "config.py").write_text("IMAGE_H, IMAGE_W, IMAGE_DEPTH = 4, 6, 3\nGAIN = 1.0\n")
        parts = path / "donkeycar" / "parts"
        parts.mkdir(exist_ok=True)
        (parts / "__init__.py").write_text("")
        (parts / "keras.py").write_text(COUNTING)
        self.imports_path = parts / "keras.py.imports"
        self.samples_path = str(path / "samples.npz")
        write_samples(self.samples_path, shape=(4, 6, 3))

    def check(self, driving: DrivingProcess, expression: str) -> List[Checked]:
        path = self.path / "model.h5"
        path.write_text(expression)
        return check_models(
            [ModelFile("h5", str(path))],
            model_type="linear",
            samples_path=self.samples_path,
            archive_path=str(self.path / "model.tar.gz"),
            car_path=str(self.path),
            myconfig="myconfig.py",
            driving=driving,
        )

    def imports(self) -> int:
        return len(self.imports_path.read_text()) if self.imports_path.exists() else 0


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Bench:
    return Bench(tmp_path)


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_donkeycar_is_imported_before_there_is_a_task(bench: Bench) -> None:
    """And once for all tasks."""
    with DrivingProcess(str(bench.path)) as driving:
        driving.start()
        wait_until(bench.imports)
        for _ in range(3):
            assert len(bench.check(driving, MEAN)) == 1
    assert bench.imports() == 1


def test_nothing_starts_unless_it_is_needed(bench: Bench) -> None:
    with DrivingProcess(str(bench.path)):
        pass
    assert bench.imports() == 0


def test_a_machine_without_room_for_it_starts_it_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches a job must not lose sight of it for that."""

    def fail(*arguments: Any, **options: Any) -> Any:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    with DrivingProcess(str(bench.path)) as driving:
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", fail)
            driving.start()
        assert len(bench.check(driving, MEAN)) == 1


def test_its_output_may_be_long(bench: Bench) -> None:
    """TensorFlow's warnings do not stop it."""
    with DrivingProcess(str(bench.path)) as driving:
        noisy = f"[print('w' * 10**6) and None or {MEAN}[0], {MEAN}[1]]"
        assert len(bench.check(driving, noisy)) == 1


def test_another_one_takes_the_place_of_a_crashed_one(bench: Bench) -> None:
    with DrivingProcess(str(bench.path)) as driving:
        with pytest.raises(ModelRejected, match="crashed"):
            bench.check(driving, "[__import__('os')._exit(7)]")
        assert len(bench.check(driving, MEAN)) == 1


def test_a_crash_at_the_start_is_reported_with_the_task(bench: Bench) -> None:
    """As where TensorFlow needs instructions that the CPU lacks."""
    (bench.path / "donkeycar" / "parts" / "keras.py").write_text(
        COUNTING + "print('Illegal instruction', flush=True)\nimport os\nos._exit(132)\n"
    )
    with DrivingProcess(str(bench.path)) as driving:
        driving.start()
        wait_until(bench.imports)
        with pytest.raises(ModelRejected) as caught:
            bench.check(driving, MEAN)
    assert "crashed on this car (exit code 132). The last line it printed: Illegal instruction" in str(
        caught.value
    )


def test_a_task_meets_the_error_of_the_start_again(bench: Bench) -> None:
    """So whoever waits hears of it."""
    (bench.path / "donkeycar" / "parts" / "keras.py").write_text(COUNTING + "raise ImportError('no keras')\n")
    utils = bench.path / "donkeycar" / "utils.py"
    utils.write_text("import donkeycar.parts.keras\n" + utils.read_text())
    with DrivingProcess(str(bench.path)) as driving:
        driving.start()
        with pytest.raises(ModelRejected, match="no keras"):
            bench.check(driving, MEAN)


PARENT = """
import os, sys
from donkey_sagemaker.car.driving_process import DrivingProcess
driving = DrivingProcess(sys.argv[1])
driving.start()
print(driving._child._process.pid, flush=True)
os._exit(0)  # as if it were killed: nothing is cleaned up
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="/proc")
def test_it_ends_with_a_command_that_is_killed(bench: Bench) -> None:
    output = subprocess.check_output([sys.executable, "-c", PARENT, str(bench.path)])
    pid = int(output)

    def has_ended() -> bool:
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    wait_until(has_ended)
