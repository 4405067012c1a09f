"""A job's pictures on their way into the store: forks that decode while this process does other work."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

np = pytest.importorskip("numpy", reason="the trainer needs numpy")
Image = pytest.importorskip("PIL.Image", reason="the trainer needs Pillow")

from donkey_sagemaker.tubs.files import FolderFiles  # noqa: E402
from trainer import pictures  # noqa: E402
from trainer.pictures import AT_ONCE, PictureFile, PictureStore, load_pictures  # noqa: E402
from trainer.workers import Fork, WorkerDied, Workers, can_fork  # noqa: E402
from tub_factory import write  # noqa: E402

needs_forks = pytest.mark.skipif(not can_fork(), reason="this system does not fork")
COUNT = 2 * AT_ONCE + 5  # work for two forks
BROKEN = 70
SHAPE = (12, 16, 3)


@pytest.fixture(scope="module")
def tub(tmp_path_factory):
    """Its pictures, and a tub that holds them as lossless files; one of them is broken."""
    folder = tmp_path_factory.mktemp("tub")
    originals = np.random.RandomState(1).randint(0, 255, (COUNT,) + SHAPE).astype(np.uint8)
    for number, original in enumerate(originals):
        file = io.BytesIO()
        Image.fromarray(original).save(file, "png")
        data = b"no picture" if number == BROKEN else file.getvalue()
        write(folder, f"images/{number}.png", data)
    return originals, SimpleNamespace(files=FolderFiles(str(folder)))


def load_all(store, tub):
    names = [("tub", f"images/{number}.png") for number in range(COUNT)]
    return load_pictures(store, names, {"tub": tub})


@pytest.mark.parametrize("make_store", [PictureStore, PictureFile])
@pytest.mark.parametrize("forks", [pytest.param(True, marks=needs_forks), False])
def test_every_picture_is_decoded_to_its_place(tub, make_store, forks, monkeypatch):
    """In forks, and in threads where a system has none; a broken one is told and does no harm."""
    monkeypatch.setattr(pictures, "can_fork", lambda: forks)
    monkeypatch.setattr(pictures, "usable_cores", lambda: 2)
    originals, files = tub
    store = make_store(COUNT, SHAPE)
    load_all(store, files)()
    assert list(store.faults) == [BROKEN]
    good = np.array([number for number in range(COUNT) if number != BROKEN])
    np.testing.assert_array_equal(store.gather(good), originals[good])


@pytest.mark.parametrize("forks", [pytest.param(True, marks=needs_forks), False])
def test_a_full_disk_is_not_a_broken_picture(tub, forks, monkeypatch):
    """Pictures that could not be kept would be left out one by one, as if the tub were at fault."""

    class FullDisk(PictureFile):
        def __setitem__(self, number, picture):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pictures, "can_fork", lambda: forks)
    finish = load_all(FullDisk(COUNT, SHAPE), tub[1])
    with pytest.raises(OSError, match="No space left on device"):
        finish()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves no disk")
def test_a_disk_that_is_too_small_is_told_before_anything_is_decoded():
    """All the room is taken at once."""
    file = PictureFile(COUNT, SHAPE)._file
    assert os.fstat(file.fileno()).st_blocks * 512 >= COUNT * int(np.prod(SHAPE))
    assert len(PictureFile(0, SHAPE)) == 0


@needs_forks
def test_no_picture_is_fine():
    """A tub whose records are all set aside."""
    store = PictureStore(0, SHAPE)
    load_pictures(store, [], {})()
    assert len(store) == 0 and store.memory_bytes == 0


@needs_forks
def test_a_fork_that_is_killed_is_told():
    """As the system does where memory runs out: the trainer does not wait for ever."""
    fork = Fork(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(WorkerDied, match="exit code -9"):
        fork.result()


@needs_forks
def test_a_worker_that_is_killed_is_told_to_each_batch():
    """The one that it dies of, and those that follow."""
    workers = Workers(lambda numbers: os.kill(os.getpid(), signal.SIGKILL), largest=1, count=1)
    try:
        for _ in range(2):
            with pytest.raises(WorkerDied, match="exit code -9"):
                workers.run(np.array([0]))
    finally:
        workers.close()


@needs_forks
def test_a_stop_leaves_the_forks_at_work():
    """A terminal's Ctrl-C reaches them all; the trainer alone decides what becomes of it."""

    def work():
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        return "done"

    assert Fork(work).result() == "done"


@needs_forks
def test_a_fork_ends_with_its_parent(repo_path):
    """A trainer that was killed leaves nobody behind who decodes on."""
    code = (
        "import os, time\n"
        "from trainer.workers import Fork\n"
        "fork = Fork(lambda: time.sleep(60))\n"
        "print(fork._process.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    paths = os.pathsep.join([repo_path, os.path.join(repo_path, "container")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=dict(os.environ, PYTHONPATH=paths),
        stdout=subprocess.PIPE,
        timeout=30,
    )
    child = int(done.stdout)
    deadline = time.monotonic() + 20
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not is_running(child)


def is_running(pid):
    """A dead one that nobody has fetched yet is not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
