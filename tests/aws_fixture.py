"""Starts the AWS stand-in of tests/aws_stand_in and steers it. Standard library only, from Python 3.6 on."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from typing import Any, Dict, List, Optional

TESTS = os.path.dirname(os.path.abspath(__file__))


class AwsStandIn:
    """One server for a session of tests; `reset` before each.

    Attributes:
        endpoint_url: of all services.
        environment: variables that make boto3, in any process, a user of the stand-in's account.
        account_id, region, bucket, role_arn: what a new account has.
    """

    def __init__(self, python: str, folder: str) -> None:
        self._log_path = os.path.join(folder, "stderr")
        self._errors_read = 0
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with open(self._log_path, "wb") as log:
            # It lives as long as its standard input, so that it never outlives this process.
            self._process = subprocess.Popen(
                [python, "-m", "aws_stand_in", folder],
                cwd=TESTS,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                universal_newlines=True,
            )
        assert self._process.stdout
        self.endpoint_url = self._process.stdout.readline().strip()
        if not self.endpoint_url:
            raise RuntimeError("the AWS stand-in did not start:\n" + self.read_errors())
        self.reset()

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def read_errors(self) -> str:
        """What the stand-in wrote to standard error since the last call: its own mistakes."""
        with open(self._log_path, errors="replace") as file:
            file.seek(self._errors_read)
            text = file.read()
            self._errors_read = file.tell()
        return text

    def reset(self) -> None:
        """A new account without jobs, faults and records; it has the bucket and the role."""
        told = self._tell("reset")
        self.account_id: str = told["account_id"]
        self.region: str = told["region"]
        self.bucket: str = told["bucket"]
        self.role_arn: str = told["role_arn"]
        self.environment: Dict[str, str] = {
            "AWS_ACCESS_KEY_ID": told["access_key"],
            "AWS_SECRET_ACCESS_KEY": "of-the-stand-in",
            "AWS_DEFAULT_REGION": self.region,
            "SAGEMAKER_ENDPOINT_URL": self.endpoint_url,
        }

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of the account, which does not retry."""
        import boto3
        from botocore.config import Config

        settings: Dict[str, Any] = {
            "region_name": self.region,
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.environment["AWS_SECRET_ACCESS_KEY"],
            "config": Config(retries={"max_attempts": 0}, read_timeout=20),
        }
        settings.update(options)
        # Of a session of its own: the default one keeps the profiles that it found at first.
        return boto3.Session().client(service, **settings)

    def set(self, **values: Any) -> None:
        """Sets attributes of the account, which aws_stand_in/account.py names; a dict is merged.

        For example expired=True, skew_s=600, denied=["iam:PassRole"], log_delay_s=30,
        quotas={"ml.g5.xlarge for training job usage": 1}, phase_s={"Starting": 60},
        capacity={"ml.g5.xlarge": {"wait_s": 600, "fails": True}}, upload_bytes_per_s=1e6,
        failures=[{"phase": "Downloading", "reason": "ClientError: Cannot pull algorithm container."}].
        """
        self._tell("set", **values)

    def fault(
        self,
        kind: str,
        *,
        service: str = "*",
        operation: str = "*",
        path: str = "*",
        skip: int = 0,
        times: Optional[int] = 1,
        **answer: Any,
    ) -> None:
        """Lets `skip` requests that fit pass, then strikes the next `times` (None: all there will be).

        Args:
            kind: refuse, cut_request, hang, error, lose_response, cut_response or corrupt_response.
            service: by its signing name, as "s3", "sagemaker" or "servicequotas".
            operation, path: patterns as of fnmatch.
            answer: of an "error": status, code, message.
        """
        self._tell(
            "fault",
            kind=kind,
            service=service,
            operation=operation,
            path=path,
            skip=skip,
            times=times,
            **answer,
        )

    def clear_faults(self) -> None:
        self._tell("clear_faults")

    def image(
        self,
        pattern: str,
        *,
        command: Optional[List[str]] = None,
        python: Optional[str] = None,
        environment: Optional[Dict[str, str]] = None,
    ) -> None:
        """Says what images whose URI fits the pattern run.

        Args:
            command: their ENTRYPOINT; it gets "train" as its argument.
            python: what `python3` means in them.
            environment: variables that they set.
        """
        self._tell("image", pattern=pattern, command=command, python=python, environment=environment)

    def push_image(self, repository: str, tag: str) -> str:
        """Puts an image into the account's own registry and returns its URI; `image` says what it runs."""
        return self._tell("push_image", repository=repository, tag=tag)

    def advance(self, seconds: float) -> None:
        """Moves the clock of jobs and logs on."""
        self._tell("advance", seconds=seconds)

    def speed(self, factor: float) -> None:
        """Lets so many seconds of jobs and logs pass in a real one."""
        self._tell("speed", factor=factor)

    def interrupt(self, job: str) -> None:
        """Takes the job's spot machine away: SIGTERM, two minutes, SIGKILL, then it starts again."""
        self._tell("interrupt", name=job)

    def wait_for_job(self, job: str, phase: str = "Completed") -> Dict[str, Any]:
        """Waits until the job has come to a secondary status or is over; its state."""
        return self._tell("wait_for_job", name=job, phase=phase)

    def requests(self, service: str = "", operation: str = "") -> List[Dict[str, Any]]:
        """Every request since the reset: time, service, operation, path, status, bytes_in, bytes_out."""
        return [
            each
            for each in self._tell("requests")
            if service in ("", each["service"]) and operation in ("", each["operation"])
        ]

    def permissions(self) -> List[List[str]]:
        """Every action since the reset that AWS asks a policy about, and the ARN that it was done to."""
        return self._tell("permissions")

    def _tell(self, verb: str, **arguments: Any) -> Any:
        request = urllib.request.Request(
            self.endpoint_url + "/stand-in/" + verb, data=json.dumps(arguments).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as response:
                return json.loads(response.read().decode())
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
