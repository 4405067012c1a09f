"""SageMaker as played by this machine: real processes, and a few lines in place of the trainer."""

import json
import os
import sys
import tarfile
import threading

import pytest

from donkey_sagemaker.local.backend import LocalCloud, NoSuchJob, NoSuchObject

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
WAITS = """
import os, signal, sys
def stop(number, frame):
    open(os.environ["SAGEMAKER_BASE_DIR"] + "/model/pilot.h5", "w").write("so far")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
signal.pause()
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
    """Polls until `done` holds of the job's description and log, for at most 30 s."""
    tick = threading.Event()
    for _ in range(600):
        state, (lines, _position) = cloud.describe_job(job), cloud.read_log(job, 0)
        if done(state, lines):
            return state, lines
        tick.wait(0.05)
    raise AssertionError(f"still {state} after 30 s: {lines}")


def wait_for_end(cloud, job):
    return wait_for(cloud, job, lambda state, _: state["TrainingJobStatus"] not in ("InProgress", "Stopping"))


def test_objects_come_back_as_they_were_put(cloud, tmp_path):
    """Listed by prefix with their size, downloaded byte for byte, each step told."""
    cloud.put("p/shards/aa.zip", b"12345")
    cloud.put("p/models/x", b"")
    steps = []
    cloud.download("p/shards/aa.zip", str(tmp_path / "back"), advance=steps.append)
    assert cloud.list_objects("p/shards/") == {"p/shards/aa.zip": 5}
    assert (tmp_path / "back").read_bytes() == b"12345" and sum(steps) == 5


def test_a_missing_object_is_told(cloud, tmp_path):
    """The key is in the message."""
    with pytest.raises(NoSuchObject) as refusal:
        cloud.download("p/none", str(tmp_path / "back"), advance=lambda count: None)
    assert refusal.value.what == "p/none is not in the local bucket."


def test_a_job_reads_its_channels_and_leaves_its_archive(cloud, tmp_path):
    """Only the shard of its manifest, no credentials of ours, and model/ and output/data as archives."""
    os.environ["AWS_SECRET_ACCESS_KEY"] = "hush"
    try:
        state, lines = wait_for_end(cloud, start(cloud, WRITES_A_MODEL))
    finally:
        del os.environ["AWS_SECRET_ACCESS_KEY"]
    assert state["TrainingJobStatus"] == "Completed", lines
    assert lines == ["trained ['aa.zip']", "secret None", "hyper {'seed': '1'}"]
    assert state["ModelArtifacts"] == {
        "S3ModelArtifacts": "s3://local/p/models/donkey-test-1/output/model.tar.gz"
    }
    cloud.download(
        "p/models/donkey-test-1/output/model.tar.gz", str(tmp_path / "a"), advance=lambda count: None
    )
    with tarfile.open(str(tmp_path / "a")) as archive:
        assert archive.getnames() == ["pilot.h5"]
    assert "p/models/donkey-test-1/output/output.tar.gz" in cloud.list_objects("p/models/")


def test_a_jobs_own_folder_is_removed_at_its_end(cloud):
    """What stays is the archive, the log and the state."""
    wait_for_end(cloud, start(cloud, WRITES_A_MODEL))
    assert sorted(os.listdir(os.path.join(cloud.folder, "jobs", "donkey-test-1"))) == [
        "alive",
        "job.json",
        "log",
        "request.json",
    ]


def test_a_failed_job_tells_the_cause_and_still_leaves_its_archive(cloud):
    """FailureReason is the start of output/failure, at most 1,024 characters, as SageMaker keeps it."""
    state, _ = wait_for_end(cloud, start(cloud, FAILS))
    assert state["TrainingJobStatus"] == "Failed"
    assert state["FailureReason"].startswith("AlgorithmError: No good records.xxx")
    assert len(state["FailureReason"]) == 1024
    assert "p/models/donkey-test-1/output/model.tar.gz" in cloud.list_objects("p/models/")


def test_a_container_that_is_killed_is_told_from_one_that_fails(cloud):
    """Without a failure file the exit code speaks, and SIGKILL is most often memory."""
    state, _ = wait_for_end(cloud, start(cloud, DIES))
    assert state["FailureReason"] == (
        "AlgorithmError: the trainer ended with exit code -9 "
        "(killed: most often out of memory; lower BATCH_SIZE or train fewer records at once)"
    )


def test_a_stopped_job_keeps_what_it_had(cloud):
    """SIGTERM reaches the container, and its archive is uploaded."""
    job = start(cloud, WAITS)
    wait_for(cloud, job, lambda _, lines: lines == ["ready"])
    cloud.stop_job(job)
    state, _ = wait_for_end(cloud, job)
    assert (state["TrainingJobStatus"], state["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "ModelArtifacts" in state


def test_a_stop_that_comes_at_once_is_not_lost(cloud):
    """Before the job's process has told who it is."""
    job = start(cloud, WAITS)
    cloud.stop_job(job)
    state, _ = wait_for_end(cloud, job)
    assert (state["TrainingJobStatus"], state["SecondaryStatus"]) == ("Stopped", "Stopped")


def test_a_job_past_its_time_is_stopped(cloud):
    """MaxRuntimeInSeconds works as a stop does."""
    state, _ = wait_for_end(cloud, start(cloud, WAITS, max_runtime_s=1))
    assert (state["TrainingJobStatus"], state["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_job_whose_process_is_gone_has_failed(cloud):
    """After a power cut nobody waits for it for ever."""
    job = start(cloud, WAITS)
    state, _ = wait_for(cloud, job, lambda _, lines: lines == ["ready"])
    with open("/proc/{0}/task/{0}/children".format(state["ProcessId"])) as file:
        container = int(file.read())
    os.kill(state["ProcessId"], 9)
    os.kill(container, 9)
    state, _ = wait_for_end(cloud, job)
    assert state["FailureReason"] == "InternalServerError: the job's process is gone (power cut? memory?)"


def test_jobs_are_listed_the_newest_first(cloud):
    """By the time in their names."""
    for job in ("donkey-b-231114-221320-123", "donkey-a-231114-221321-000"):
        wait_for_end(cloud, start(cloud, WRITES_A_MODEL, job=job))
    assert [job["TrainingJobName"] for job in cloud.list_jobs()] == [
        "donkey-a-231114-221321-000",
        "donkey-b-231114-221320-123",
    ]


def test_an_unknown_job_is_told(cloud):
    """The name is in the message."""
    with pytest.raises(NoSuchJob) as refusal:
        cloud.describe_job("donkey-none")
    assert refusal.value.what == "There is no job named donkey-none on this machine."
