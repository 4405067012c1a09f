"""The commands on the pages that need an AWS account run as they are shown, with the stand-in."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest

from donkey_sagemaker.aws import backend
from donkey_sagemaker.aws.stack import Stack
from donkey_sagemaker.cli import main
from pages import OURS, REPO, in_the_owners_order, is_without_an_account, our_words
from small_donkeycar import install_small_donkeycar, make_small_model

# Where a name is asked for; what would go on for ever, or very long;
# and nothing is built or pushed by this machine's own Docker
ANSWERS = {"--teardown": "--yes", "follow": "--once", "tune": "--dry-run", "--docker": "--dry-run"}


@pytest.fixture
def car(tmp_path: Path, create_car: Callable[[Path], Path], drawn_tub: str, aws: Any) -> Path:
    """A car of createcar, which the small donkeycar drives, with two tubs and the stand-in as its account."""
    path = create_car(tmp_path / "mycar")
    os.rmdir(str(path / "data"))
    for name in ("data", "more_data", "corrections"):
        shutil.copytree(drawn_tub, str(path / name))
    (path / "models" / "pilot.h5").write_bytes(b"\x89HDF\r\n\x1a\n of a model that no container reads")
    install_small_donkeycar(path)
    with open(str(path / "myconfig.py"), "a") as file:
        file.write(f"\nSAGEMAKER_REGION = {aws.region!r}\nSAGEMAKER_ENDPOINT_URL = {aws.endpoint_url!r}\n")
    return path


def test_our_commands_run_as_they_are_shown(
    car: Path,
    trained_model: Path,
    aws: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: "pytest.CaptureFixture[str]",
) -> None:
    """All of them, one after the other: an account from nothing and back."""
    credentials = (
        "[admin]\naws_access_key_id = {AWS_ACCESS_KEY_ID}\naws_secret_access_key = {AWS_SECRET_ACCESS_KEY}\n"
    )
    (car.parent / "credentials").write_text(credentials.format(**aws.environment))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(car.parent / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "admin")
    monkeypatch.setattr(backend.AwsCloud, "poll_s", 0.1)
    monkeypatch.setattr(backend.AwsCloud, "log_lag_s", 0.3)
    monkeypatch.setattr(Stack, "poll_s", 0.0)
    for name in ("donkey-car", "blue", "NAME"):
        aws.client("iam").create_user(UserName=name)
    trained = car.parent / "trained"
    make_small_model(trained_model, trained)
    script = os.path.join(REPO, "tests", "canned_container.py")

    def types(words: List[str]) -> None:
        code = main([word.replace("~/mycar", str(car)) for word in words], car_path=str(car))
        out, err = capsys.readouterr()
        assert code == 0, (words, out, err)

    shown = [list(words) for words in {tuple(our_words(command)) for command in OURS}]
    for words in in_the_owners_order([words for words in shown if not is_without_an_account(words)]):
        behaviour = "waits" if words[0] == "stop" else "trains"
        aws.image("*", command=[sys.executable, script, str(trained), behaviour])
        if words[0] == "stop" or "--attach" in words:  # a job that is still to end
            types(["train", "--model=models/another", "--detach"])
        if "--instance-count=2" in words or "--parallel=2" in words:
            aws.set(quotas={"ml.m5.xlarge for training job usage": 2})
        if "--teardown" in words:  # which waits for the job that was stopped
            for job in aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]:
                aws.wait_for_job(job["TrainingJobName"])
        types(words + [answer for option, answer in ANSWERS.items() if option in words])
