"""A car for the tests of sagemaker-doctor, whose myconfig.py has the AWS stand-in's account."""

import json

from donkey_sagemaker import cli
from donkey_sagemaker.aws import connection
from donkey_sagemaker.aws.connection import Timing
from tub_factory import make_v2

RUNS = "donkeycar 5.3.0, tflite-runtime 2.14.0, python 3.11"


class DoctorCar:
    """A car without problems, until a test causes one.

    Attributes:
        settings: SAGEMAKER_ settings in its myconfig.py, by the rest of their name.
        out, err: what the last command printed.
    """

    def __init__(self, path, aws, monkeypatch, capsys):
        self.path = path
        self.aws = aws
        self.monkeypatch = monkeypatch
        self._capsys = capsys
        self.settings = {
            "REGION": aws.region,
            "BUCKET": aws.bucket,
            "ROLE_ARN": aws.role_arn,
            "ENDPOINT_URL": aws.endpoint_url,
            "CAR": RUNS,
        }
        self.out = self.err = ""

    def set(self, **settings):
        self.settings.update(settings)

    def append_config(self, line):
        with open(str(self.path / "config.py"), "a") as file:
            file.write(line + "\n")

    def run_doctor(self, *options):
        """Returns the exit code."""
        with open(str(self.path / "myconfig.py"), "w") as file:
            for name, value in self.settings.items():
                file.write(f"SAGEMAKER_{name} = {value!r}\n")
        code = cli.main(["doctor", *options], car_path=str(self.path))
        self.out, self.err = self._capsys.readouterr()
        assert "of-the-stand-in" not in self.out + self.err  # the secret key
        return code

    def read_findings(self):
        """The exit code, and the findings as [(check, state, found, fix)]."""
        code = self.run_doctor("--json")
        assert self.err == ""
        return code, [
            (each["check"], each["state"], each["found"], each["fix"]) for each in json.loads(self.out)
        ]


def make_doctor_car(tmp_path, aws, monkeypatch, capsys):
    for name, value in aws.environment.items():
        if name.startswith("AWS_") and name != "AWS_DEFAULT_REGION":
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(connection, "DEFAULT_TIMING", Timing(pauses_s=(), transfer_pauses_s=()))
    path = tmp_path / "mycar"
    path.mkdir()
    (path / "config.py").write_text("DEFAULT_MODEL_TYPE = 'linear'\n")
    make_v2(path / "data", 10, deleted=[3])
    return DoctorCar(path, aws, monkeypatch, capsys)


def move_the_tub_away(car):
    (car.path / "data").rename(car.path / "elsewhere")


def remove_keys(car):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        car.monkeypatch.delenv(name)
