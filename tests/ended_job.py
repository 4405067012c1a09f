"""A job of a car on its own machine that has ended, and whose model nobody has received yet.

Its files are those that the first version of this program, 108bd81, wrote: golden/first_version/.
"""

import io
import json
import os
import tarfile
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden" / "first_version"
JOB = "donkey-other-261128-183948-103"


def copy_golden(name: str, path: Path, car: Path) -> None:
    """Copies a file of that version, with this car's path in place of that car's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((GOLDEN / name).read_text().replace("CAR_PATH", str(car)))


def leave_ended_job(car: Path, model: Path) -> None:
    """
    Args:
        model: the content of the archive; artifact.json gets the name of this job's model, `other`.
    """
    local = car / ".sagemaker" / "local"
    copy_golden("ledger.json", car / ".sagemaker" / "jobs" / (JOB + ".json"), car)
    copy_golden("request.json", local / "jobs" / JOB / "request.json", car)
    copy_golden("job.json", local / "jobs" / JOB / "job.json", car)
    bucket = local / "buckets" / "local" / "donkeycar"
    copy_golden("launch.json", bucket / "jobs" / JOB / "launch.json", car)
    archive = bucket / "models" / JOB / "output" / "model.tar.gz"
    archive.parent.mkdir(parents=True)
    with tarfile.open(str(archive), "w:gz") as tar:
        for name in sorted(os.listdir(str(model))):
            if name != "artifact.json":
                tar.add(str(model / name), name)
        artifact = json.loads((model / "artifact.json").read_text())
        content = json.dumps(dict(artifact, name="other")).encode()
        member = tarfile.TarInfo("artifact.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
