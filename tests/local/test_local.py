"""SageMaker emulated on this machine: real processes, and a few lines of code instead of the trainer."""

import json
import os
import re
import subprocess
import sys
import tarfile
import threading

import pytest

from donkey_sagemaker.child_process import is_alive
from donkey_sagemaker.cloud.errors import NoSuchJob, NoSuchObject
from donkey_sagemaker.cloud.failures import DEFAULT_FIX, explain_failure
from donkey_sagemaker.local.backend import LocalCloud
from small_trainers import WAITS

WRITES_A_MODEL = """
import json, os
base = os.environ["SAGEMAKER_BASE_DIR"]
print("trained", sorted(os.listdir(base + "/input/data/train")), flush=True)
print("secret", os.environ.get("AWS_SECRET_ACCESS_KEY"), flush=True)
print("hyper", json.load(open(base + "/input/config/hyperparameters.json")), flush=True)
open(base + "/model/pilot.h5", "w").write("weights")
open(base + "/output/data/history.json", "w").write("{}")
"""
FAILS = """
import os
open(os.environ["SAGEMAKER_BASE_DIR"] + "/output/failure", "w").write("No good records." + "x" * 2000)
open(os.environ["SAGEMAKER_BASE_DIR"] + "/model/half.h5", "w").write("half")
raise SystemExit(1)
"""
DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def cloud(tmp_path):
    return LocalCloud(str(tmp_path / "local"), python=sys.executable)


def start(cloud, container, *, job="donkey-test-1", max_runtime_s=60):
    cloud.put("p/code/1/trainer.pyz", container.encode())
    cloud.put("p/shards/aa.zip", b"a shard")
    cloud.put("p/shards/bb.zip", b"another tub's")
    cloud.put("p/jobs/1/train.manifest", json.dumps([{"prefix": "s3://local/p/shards/"}, "aa.zip"]).encode())
    cloud.start_job(
        {
            "TrainingJobName": job,
            "AlgorithmSpecification": {
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/trainer.pyz"],
            },
            "InputDataConfig": [
                _channel("train", "ManifestFile", "s3://local/p/jobs/1/train.manifest"),
                _channel("code", "S3Prefix", "s3://local/p/code/1/"),
            ],
            "OutputDataConfig": {"S3OutputPath": "s3://local/p/models"},
            "StoppingCondition": {"MaxRuntimeInSeconds": max_runtime_s},
            "HyperParameters": {"seed": "1"},
            "Environment": {},
        }
    )
    return job


def _channel(name, data_type, uri):
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": data_type, "S3Uri": uri}}}


def wait_for(cloud, job, done):
    """Waits until `done` is true for the job's state and log, for at most 30 s."""
    tick, log, lines = threading.Event(), cloud.open_log(job), []
    for _ in range(600):
        state = cloud.describe_job(job)
        lines += log.read()
        if done(state, lines):
            return state, lines
        tick.wait(0.05)
    raise AssertionError(f"still {state} after 30 s: {lines}")


def read_job(cloud, job="donkey-test-1"):
    """The job's file job.json."""
    with open(os.path.join(cloud.folder, "jobs", job, "job.json")) as file:
        return json.load(file)


def wait_for_end(cloud, job):
    return wait_for(cloud, job, lambda state, _: not state.is_running)


def test_objects(cloud, tmp_path):
    """Objects are listed by prefix with their size, and downloaded byte for byte in steps."""
    cloud.put("p/shards/aa.zip", b"12345")
    cloud.put("p/models/x", b"")
    steps = []
    cloud.download("p/shards/aa.zip", str(tmp_path / "back"), advance=steps.append)
    assert cloud.list_objects("p/shards/") == {"p/shards/aa.zip": 5}
    assert (tmp_path / "back").read_bytes() == b"12345" and sum(steps) == 5


def test_missing_object(cloud, tmp_path):
    """The key is in the message."""
    with pytest.raises(NoSuchObject) as caught:
        cloud.download("p/none", str(tmp_path / "back"), advance=lambda count: None)
    assert caught.value.what == "s3://local/p/none does not exist."


def test_job_reads_channels_and_writes_archives(cloud, tmp_path):
    """It sees only its manifest's shard and no credentials; model/ and output/data become archives."""
    os.environ["AWS_SECRET_ACCESS_KEY"] = "secret"
    try:
        state, lines = wait_for_end(cloud, start(cloud, WRITES_A_MODEL))
    finally:
        del os.environ["AWS_SECRET_ACCESS_KEY"]
    assert state.status == "Completed", lines
    assert lines == ["trained ['aa.zip']", "secret None", "hyper {'seed': '1'}"]
    assert state.has_model
    assert read_job(cloud)["ModelArtifacts"] == {
        "S3ModelArtifacts": "s3://local/p/models/donkey-test-1/output/model.tar.gz"
    }
    cloud.download(
        "p/models/donkey-test-1/output/model.tar.gz", str(tmp_path / "a"), advance=lambda count: None
    )
    with tarfile.open(str(tmp_path / "a")) as archive:
        assert archive.getnames() == ["pilot.h5"]
    assert "p/models/donkey-test-1/output/output.tar.gz" in cloud.list_objects("p/models/")


def test_opt_ml_is_removed(cloud):
    """After the job, only the archive, the log and the state remain."""
    wait_for_end(cloud, start(cloud, WRITES_A_MODEL))
    assert sorted(os.listdir(os.path.join(cloud.folder, "jobs", "donkey-test-1"))) == [
        "alive",
        "job.json",
        "log",
        "request.json",
    ]


def test_failed_job(cloud):
    """FailureReason has the first 1,024 characters of output/failure, and the archive is written."""
    state, _ = wait_for_end(cloud, start(cloud, FAILS))
    assert state.status == "Failed"
    assert state.failure_reason.startswith("AlgorithmError: No good records.xxx")
    assert len(state.failure_reason) == 1024
    assert "p/models/donkey-test-1/output/model.tar.gz" in cloud.list_objects("p/models/")
    assert not state.has_model


def test_killed_container(cloud):
    """Without a failure file the exit code is the reason; SIGKILL usually means too little memory."""
    state, _ = wait_for_end(cloud, start(cloud, DIES))
    assert state.failure_reason == (
        "AlgorithmError: the trainer ended with exit code -9 "
        "(killed: probably out of memory; lower BATCH_SIZE or train on fewer records at a time)"
    )


def test_stopped_job(cloud):
    """SIGTERM reaches the container, and its archive is written."""
    job = start(cloud, WAITS)
    wait_for(cloud, job, lambda _, lines: lines == ["ready"])
    cloud.stop_job(job)
    state, _ = wait_for_end(cloud, job)
    assert (state.status, state.secondary_status) == ("Stopped", "Stopped")
    assert state.has_model


def test_immediate_stop(cloud):
    """A job can be stopped before its process has written its id."""
    job = start(cloud, WAITS)
    cloud.stop_job(job)
    state, _ = wait_for_end(cloud, job)
    assert (state.status, state.secondary_status) == ("Stopped", "Stopped")


def test_time_limit(cloud):
    """After MaxRuntimeInSeconds the job is stopped."""
    state, _ = wait_for_end(cloud, start(cloud, WAITS, max_runtime_s=1))
    assert (state.status, state.secondary_status) == ("Stopped", "MaxRuntimeExceeded")


def test_dead_process(cloud):
    """A job whose process died, as in a power failure, has failed."""
    job = start(cloud, WAITS)
    wait_for(cloud, job, lambda _, lines: lines == ["ready"])
    process = read_job(cloud)["ProcessId"]
    with open(f"/proc/{process}/task/{process}/children") as file:
        container = int(file.read())
    os.kill(process, 9)
    os.kill(container, 9)
    state, _ = wait_for_end(cloud, job)
    died = "the job's process died (power failure? out of RAM?)"
    assert explain_failure(state.failure_reason, ["ready"]) == (died, DEFAULT_FIX)  # no word of SageMaker


def test_whoever_starts_a_job_is_killed_before_its_process_begins(cloud):
    """Then there is no job yet, and starting it again starts it."""
    folder = os.path.join(cloud.folder, "jobs", "donkey-test-1")
    os.makedirs(folder)
    with open(os.path.join(folder, "request.json"), "w") as file:
        file.write("{}")
    assert cloud.list_jobs() == []
    with pytest.raises(NoSuchJob):
        cloud.describe_job("donkey-test-1")
    state, _ = wait_for_end(cloud, start(cloud, WRITES_A_MODEL))
    assert state.status == "Completed"


def test_list_is_sorted(cloud):
    """The newest job comes first, by the time in its name."""
    for job in ("donkey-b-231114-221320-123", "donkey-a-231114-221321-000"):
        wait_for_end(cloud, start(cloud, WRITES_A_MODEL, job=job))
    assert [job.name for job in cloud.list_jobs()] == [
        "donkey-a-231114-221321-000",
        "donkey-b-231114-221320-123",
    ]


def test_no_such_job(cloud):
    """The name is in the message."""
    with pytest.raises(NoSuchJob) as caught:
        cloud.describe_job("donkey-none")
    assert caught.value.what == "There is no job named donkey-none on this machine."


def test_job_of_an_earlier_version(cloud):
    """A job.json that version 1.0 wrote is still understood."""
    folder = os.path.join(cloud.folder, "jobs", "donkey-old-1")
    os.makedirs(folder)
    for name, value in (
        ("request.json", {"TrainingJobName": "donkey-old-1"}),
        (
            "job.json",
            {
                "TrainingJobName": "donkey-old-1",
                "TrainingJobStatus": "Stopped",
                "SecondaryStatus": "MaxRuntimeExceeded",
                "CreationTime": 1.5,
                "ProcessId": 1,
                "TrainingStartTime": 2.5,
                "TrainingEndTime": 3.5,
                "ModelArtifacts": {
                    "S3ModelArtifacts": "s3://local/p/models/donkey-old-1/output/model.tar.gz"
                },
            },
        ),
    ):
        with open(os.path.join(folder, name), "w") as file:
            json.dump(value, file)
    job = cloud.describe_job("donkey-old-1")
    assert (job.status, job.secondary_status, job.has_model) == ("Stopped", "MaxRuntimeExceeded", True)
    assert (job.created, job.training_started, job.training_ended) == (1.5, 2.5, 3.5)


def test_only_the_owner_reads_what_is_kept(tmp_path):
    """It contains copies of myconfig.py, where passwords are, even if an earlier version made the folder."""
    folder = tmp_path / "local"
    folder.mkdir(mode=0o755)
    LocalCloud(str(folder), python=sys.executable).put("p/code/1/myconfig.py", b"MQTT_PASSWORD = 'hunter2'")
    assert folder.stat().st_mode & 0o777 == 0o700


WRITES_A_LARGE_MODEL = """
import os
base = os.environ["SAGEMAKER_BASE_DIR"]
open(base + "/model/pilot.h5", "wb").write(os.urandom(400000))
"""


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a disk of so many kB and returns its path."""
    if not hasattr(os, "getuid") or os.getuid():
        pytest.skip("only root can mount a small disk")
    path = str(tmp_path / "small")
    os.mkdir(path)

    def mount(kilobytes):
        if subprocess.call(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", path]):
            pytest.skip("this machine mounts no disks")
        return path

    yield mount
    subprocess.call(["umount", "--lazy", path])  # the process of the job may not have ended yet


@pytest.mark.parametrize("kilobytes", [128, 300, 500, 700, 2000])
def test_full_disk(small_disk, kilobytes):
    """The job ends with the reason and the room that is left, and what cannot be used is removed."""
    cloud = LocalCloud(os.path.join(small_disk(kilobytes), "local"), python=sys.executable)
    state, lines = wait_for_end(cloud, start(cloud, WRITES_A_LARGE_MODEL))
    names = [name for _, folders, files in os.walk(cloud.folder) for name in folders + files]
    assert "opt_ml" not in names and not any(name.endswith(".part") for name in names)
    if kilobytes == 2000:
        assert state.status == "Completed", (state, lines)
        return
    assert re.fullmatch(
        r"AlgorithmError: The disk of this machine is full \([\d.]+ MB free in \S+\)", state.failure_reason
    ), (state, lines)
    assert explain_failure(state.failure_reason, lines)[0].startswith("The disk of this machine is full (")
    assert not state.has_model


def test_what_a_power_cut_leaves_is_removed(cloud):
    """Half-written archives, a job that never started, and /opt/ml of one that died."""
    job = start(cloud, WAITS)
    wait_for(cloud, job, lambda _, lines: lines == ["ready"])
    cloud.clean_up()
    assert cloud.describe_job(job).is_running
    process = read_job(cloud)["ProcessId"]
    with open(f"/proc/{process}/task/{process}/children") as file:
        container = int(file.read())
    os.kill(process, 9)
    os.kill(container, 9)
    cloud.put("p/models/1/output/kept.tar.gz", b"1")
    output = os.path.dirname(cloud.object_path("p/models/1/output/kept.tar.gz"))
    stage = f".model.tar.gz.{2**22 + 1}-{'0' * 32}.part"  # a number that no process has
    running = f".model.tar.gz.{os.getpid()}-{'0' * 32}.part"  # another job's, which is being written
    for name in (stage, running, "model.tar.gz.part"):
        with open(os.path.join(output, name), "w"):
            pass
    os.makedirs(os.path.join(cloud.folder, "jobs", "donkey-never-started"))
    os.symlink("missing", os.path.join(cloud.folder, "jobs", "a-link"))
    wait_for(cloud, job, lambda state, _: not is_alive(os.path.join(cloud.folder, "jobs", job)))
    cloud.clean_up()
    assert sorted(os.listdir(output)) == [running, "kept.tar.gz"]
    assert sorted(os.listdir(os.path.join(cloud.folder, "jobs"))) == ["a-link", job]
    assert not os.path.exists(os.path.join(cloud.folder, "jobs", job, "opt_ml"))
    assert [state.status for state in cloud.list_jobs()] == ["Failed"]


DAMAGED_STATES = [b"", b"[]", b"{", b"[" * 5000, b'{"TrainingJobStatus": "Flying"}']
DAMAGED_STATES += [b'{"TrainingJobStatus": "Completed", "CreationTime": 1e400}']


@pytest.mark.parametrize("text", DAMAGED_STATES, ids=str)
def test_a_damaged_state(cloud, text):
    """The job has failed; the others are listed as well."""
    write_state(cloud, "donkey-a-1", text)
    write_state(cloud, "donkey-b-1", b'{"TrainingJobStatus": "Completed", "SecondaryStatus": "Completed"}')
    with open(os.path.join(cloud.folder, "jobs", ".DS_Store"), "w"):
        pass
    states = {state.name: state for state in cloud.list_jobs()}
    assert {name: state.status for name, state in states.items()} == {
        "donkey-a-1": "Failed",
        "donkey-b-1": "Completed",
    }
    assert states["donkey-a-1"].failure_reason == "its file job.json is damaged"


@pytest.mark.parametrize("process", [-1, 0, 1, True, "1", 1e400])
def test_no_signal_to_several_processes(cloud, process):
    """The process id in a damaged file may mean all of them."""
    text = json.dumps({"TrainingJobStatus": "InProgress", "ProcessId": process})
    write_state(cloud, "donkey-a-1", text.encode())
    assert "ProcessId" not in cloud._read_state(
        os.path.join(cloud.folder, "jobs", "donkey-a-1"), "donkey-a-1"
    )


def write_state(cloud, name, text):
    folder = os.path.join(cloud.folder, "jobs", name)
    os.makedirs(folder)
    for file_name, content in (("request.json", b"{}"), ("job.json", text)):
        with open(os.path.join(folder, file_name), "wb") as file:
            file.write(content)
