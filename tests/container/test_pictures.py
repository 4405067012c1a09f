"""Decoding a job's pictures into the store, in forks that work while this process does something else."""

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
from trainer import pictures, reading  # noqa: E402
from trainer.feed import Examples, Feed  # noqa: E402
from trainer.pictures import (  # noqa: E402
    AT_ONCE,
    PictureFile,
    PictureStore,
    PictureStream,
    WrongShape,
    change_pictures,
    load_pictures,
)
from trainer.workers import Fork, WorkerDied, Workers, can_fork  # noqa: E402
from tub_factory import write  # noqa: E402

needs_forks = pytest.mark.skipif(not can_fork(), reason="this system does not fork")
COUNT = 2 * AT_ONCE + 5  # work for two forks
BROKEN = 70
SHAPE = (12, 16, 3)


@pytest.fixture(scope="module")
def tub(tmp_path_factory):
    """Pictures, and a tub with them as lossless files, of which one is broken."""
    folder = tmp_path_factory.mktemp("tub")
    originals = np.random.RandomState(1).randint(0, 255, (COUNT,) + SHAPE).astype(np.uint8)
    for number, original in enumerate(originals):
        file = io.BytesIO()
        Image.fromarray(original).save(file, "png")
        data = b"no picture" if number == BROKEN else file.getvalue()
        write(folder, f"images/{number}.png", data)
    return originals, SimpleNamespace(files=FolderFiles(str(folder)))


def make_records():
    return [SimpleNamespace(tub="tub", image=f"images/{number}.png") for number in range(COUNT)]


def load_all(store, tub):
    return load_pictures(store, make_records(), {"tub": tub})


@pytest.mark.parametrize("make_store", [PictureStore, PictureFile])
@pytest.mark.parametrize("forks", [pytest.param(True, marks=needs_forks), False])
def test_every_picture_is_decoded_to_its_place(tub, make_store, forks, monkeypatch):
    """In forks, and in threads on systems without them. A broken picture is reported and does no harm."""
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
    """Otherwise each picture would be left out, as if the tub were the cause."""

    class FullDisk(PictureFile):
        def __setitem__(self, number, picture):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pictures, "can_fork", lambda: forks)
    finish = load_all(FullDisk(COUNT, SHAPE), tub[1])
    with pytest.raises(OSError, match="No space left on device"):
        finish()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves no disk")
def test_a_disk_that_is_too_small_fails_before_anything_is_decoded(monkeypatch):
    """The store reserves all its space at once."""
    reserved = []
    monkeypatch.setattr(os, "posix_fallocate", lambda file, start, size: reserved.append((start, size)))
    assert len(PictureFile(COUNT, SHAPE)) == COUNT
    assert reserved == [(0, COUNT * int(np.prod(SHAPE)))]
    assert len(PictureFile(0, SHAPE)) == 0 and len(reserved) == 1


@pytest.fixture
def stream(tub):
    return PictureStream(COUNT, SHAPE, lambda number: tub[1].files.read(f"images/{number}.png"))


def test_a_stream_decodes_each_picture_when_it_is_needed(tub, stream):
    """What cannot be decoded is known after the first pass, as with a store."""
    load_all(stream, tub[1])()
    assert list(stream.faults) == [BROKEN]
    numbers = np.array([[BROKEN + 1, 0], [3, BROKEN + 1]])
    np.testing.assert_array_equal(stream.gather(numbers), tub[0][numbers])
    assert stream.memory_bytes == 0


def test_a_changed_stream(tub, stream):
    """TRANSFORMATIONS are applied to each picture as it is decoded, also if they change its size."""

    def halve(picture):
        return picture[::2, ::2]

    stream.faults = {BROKEN: "broken"}
    changed = change_pictures(stream, range(COUNT), halve, halve(tub[0][0]).shape)
    assert changed.faults == stream.faults and len(changed) == COUNT
    np.testing.assert_array_equal(changed[0], halve(tub[0][0]))
    np.testing.assert_array_equal(stream[0], tub[0][0])
    with pytest.raises(WrongShape):
        change_pictures(stream, range(COUNT), halve, SHAPE)[0]


@needs_forks
def test_a_feed_of_a_stream_is_that_of_a_store(tub, stream):
    """In processes of its own, which a feed of stored pictures needs only if it changes them."""
    store = PictureStore(COUNT, SHAPE)
    load_all(store, tub[1])()
    numbers = np.array([number for number in range(COUNT) if number != BROKEN])
    read = []
    for pictures_of in (store, stream):
        feed = Feed(
            Examples({"img_in": numbers}, {"out": numbers.astype(np.float32)[:, np.newaxis]}),
            pictures_of,
            picture_inputs=["img_in"],
            divisor=255.0,
            batch_size=8,
            shuffle_seed=1,
        )
        try:
            assert bool(feed.start_workers()) == (pictures_of is stream)
            batches = feed.batches()
            read.append([next(batches)[0][0] for _ in range(2 * feed.steps)])
        finally:
            feed.stop_workers()
    for ours, theirs in zip(*read):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "memory, disk, kind, place",
    [
        (True, True, PictureStore, ", 0.0 GB in memory"),
        (False, True, PictureFile, ", 0.0 GB on the disk"),
        (
            False,
            False,
            PictureStream,
            "; their 0.0 GB fit neither into memory nor onto the disk, so each epoch decodes them again",
        ),
    ],
)
def test_pictures_go_where_there_is_room(tub, memory, disk, kind, place, monkeypatch, capsys):
    monkeypatch.setattr(reading, "has_room", lambda size, others_bytes: memory)
    monkeypatch.setattr(reading, "has_disk_room", lambda size: disk)
    job = SimpleNamespace(config=dict(zip(("IMAGE_H", "IMAGE_W", "IMAGE_DEPTH"), SHAPE)), model_type="linear")
    own = SimpleNamespace(name="tub", records=make_records(), files=tub[1].files)
    inputs = reading.load_inputs(job, {"tub": own})
    store = inputs.pictures()
    assert type(store) is kind and list(store.faults) == [BROKEN]
    np.testing.assert_array_equal(store[1], tub[0][1])
    assert place in capsys.readouterr().out


def test_a_thread_does_not_find_half_an_opencv(repo_path, tmp_path):
    """While it is imported, OpenCV is in sys.modules as something else, which would end the training."""
    opencv = (
        "import sys, time, types\n"
        "itself = sys.modules['cv2']\n"
        "sys.modules['cv2'] = types.ModuleType('cv2')\n"
        "time.sleep(1)\n"
        "sys.modules['cv2'] = itself\n"
        "complete = True\n"
    )
    write(tmp_path, "cv2/__init__.py", opencv.encode())
    code = (
        "import time\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from trainer.pictures import find_opencv\n"
        "with ThreadPoolExecutor(2) as pool:\n"
        "    first = pool.submit(find_opencv)\n"
        "    time.sleep(0.5)\n"
        "    assert pool.submit(find_opencv).result().complete and first.result().complete\n"
    )
    paths = os.pathsep.join([str(tmp_path), repo_path, os.path.join(repo_path, "container")])
    subprocess.check_call([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=paths), timeout=60)


@needs_forks
def test_a_job_without_pictures():
    """No record of a tub may be usable."""
    store = PictureStore(0, SHAPE)
    load_pictures(store, [], {})()
    assert len(store) == 0 and store.memory_bytes == 0


@needs_forks
def test_a_killed_fork_is_an_error():
    """The system kills one when memory runs out, and the trainer must not wait forever."""
    fork = Fork(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(WorkerDied, match="exit code -9"):
        fork.result()


@needs_forks
def test_a_killed_worker_is_an_error_for_each_batch():
    """For the batch that it was working on, and for those that follow."""
    workers = Workers(lambda numbers: os.kill(os.getpid(), signal.SIGKILL), largest=1, count=1)
    try:
        for _ in range(2):
            with pytest.raises(WorkerDied, match="exit code -9"):
                workers.run(np.array([0]))
    finally:
        workers.close()


@needs_forks
def test_forks_ignore_a_stop():
    """Ctrl-C in a terminal reaches all of them, and only the trainer decides what to do."""

    def work():
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        return "done"

    assert Fork(work).result() == "done"


@needs_forks
def test_a_fork_ends_with_its_parent(repo_path):
    """A killed trainer must not leave forks that go on decoding."""
    code = (
        "import os, time\n"
        "from trainer.workers import Fork\n"
        "parents_end, childs_end = os.pipe()\n"
        "def work():\n"
        "    os.write(childs_end, str(os.getpid()).encode())\n"
        "    time.sleep(60)\n"
        "fork = Fork(work)\n"
        "print(os.read(parents_end, 20).decode(), flush=True)\n"
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
    """False also for a process that has ended and has not been waited for."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
