"""Jobs whose trainer is a few lines of code, because their model does not matter."""

import time

TRAINS = """
import os
base = os.environ["SAGEMAKER_BASE_DIR"]
print("trained", sorted(os.listdir(base + "/input/data/train")), flush=True)
open(base + "/model/pilot.h5", "w").write(os.environ["TRAINING_JOB_NAME"])
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
# Waits in its first run, and reports in the second what the first one left
RESUMES = """
import os, signal
path = os.environ["SAGEMAKER_BASE_DIR"] + "/checkpoints/epoch"
if os.path.exists(path):
    print("continues after", open(path).read(), flush=True)
else:
    open(path, "w").write("epoch 3")
    print("ready", flush=True)
    signal.pause()
"""
JOB = "donkey-test-260101-000000-001"


def start(cloud, trainer=TRAINS, *, job=JOB):
    """Starts a job with a few lines of code as its trainer."""
    cloud.put(f"p/code/{job}/trainer.pyz", trainer.encode())
    cloud.put("p/shards/aa.zip", b"a shard", once=True)
    cloud.put(f"p/jobs/{job}/train.manifest", b'[{"prefix": "s3://local/p/shards/"}, "aa.zip"]')
    cloud.start_job(make_request(job))
    return job


def make_request(job=JOB):
    def channel(name, data_type, uri):
        return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": data_type, "S3Uri": uri}}}

    return {
        "TrainingJobName": job,
        "AlgorithmSpecification": {
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/trainer.pyz"],
        },
        "InputDataConfig": [
            channel("train", "ManifestFile", f"s3://local/p/jobs/{job}/train.manifest"),
            channel("code", "S3Prefix", f"s3://local/p/code/{job}/"),
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://local/p/models"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "HyperParameters": {},
        "Environment": {},
    }


def wait_for(cloud, job, done, *, limit_s=60):
    """Waits until `done` is true for the job's state and the lines of its log."""
    log, lines, deadline = cloud.open_log(job), [], time.monotonic() + limit_s
    while time.monotonic() < deadline:
        state = cloud.describe_job(job)
        lines += log.read()
        if done(state, lines):
            return state, lines
        time.sleep(0.1)
    raise AssertionError(f"still {state} after {limit_s} s: {lines}")


def wait_for_end(cloud, job):
    return wait_for(cloud, job, lambda state, _: not state.is_running)
