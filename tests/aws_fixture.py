"""Starts and controls the AWS stand-in in tests/aws_stand_in. Standard library only, Python 3.6 and later."""

import contextlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from typing import Any, Dict, List, Optional

TESTS = os.path.dirname(os.path.abspath(__file__))


class AwsStandIn:
    """One server for a test session; call `reset` before each test.

    Attributes:
        endpoint_url: of all services.
        environment: variables with which boto3, in any process, uses the stand-in's account.
        account_id, region, bucket, role_arn: of a new account.
        pid: of the server.
    """

    def __init__(self, python: str, folder: str) -> None:
        self._log_path = os.path.join(folder, "stderr")
        self._errors_read = 0
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with open(self._log_path, "wb") as log:
            # It ends when its standard input is closed, so it never outlives this process.
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
        self.pid = self._process.pid
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
        """What the stand-in has written to standard error since the last call: its own bugs."""
        with open(self._log_path, errors="replace") as file:
            file.seek(self._errors_read)
            text = file.read()
            self._errors_read = file.tell()
        return text

    def reset(self) -> None:
        """Starts a new account with a bucket and a role, and without jobs, faults and records."""
        account = self._post("reset")
        self.account_id: str = account["account_id"]
        self.region: str = account["region"]
        self.bucket: str = account["bucket"]
        self.role_arn: str = account["role_arn"]
        self.environment: Dict[str, str] = {
            "AWS_ACCESS_KEY_ID": account["access_key"],
            "AWS_SECRET_ACCESS_KEY": "of-the-stand-in",
            "AWS_DEFAULT_REGION": self.region,
            "SAGEMAKER_ENDPOINT_URL": self.endpoint_url,
        }

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of the account that does not retry."""
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
        # With its own session: the default session remembers the profiles that it found first.
        return boto3.Session().client(service, **settings)

    def create_car_key(self, user: str) -> Dict[str, str]:
        """Creates an IAM user unless there is one, and an access key; returns it as variables for boto3."""
        iam = self.client("iam")
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_user(UserName=user)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        return {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_DEFAULT_REGION": self.region,
        }

    def set(self, **values: Any) -> None:
        """Sets attributes of the account; aws_stand_in/account.py lists them. A dict is merged.

        For example expired=True, skew_s=600, denied=["iam:PassRole"], log_delay_s=30,
        quotas={"ml.g5.xlarge for training job usage": 1}, phase_s={"Starting": 60},
        capacity={"ml.g5.xlarge": {"wait_s": 600, "fails": True}}, upload_bytes_per_s=1e6,
        failures=[{"phase": "Downloading", "reason": "ClientError: Cannot pull algorithm container."}].
        """
        self._post("set", **values)

    def fault(
        self,
        kind: str,
        *,
        service: str = "*",
        operation: str = "*",
        path: str = "*",
        skip: int = 0,
        times: Optional[int] = 1,
        **error: Any,
    ) -> None:
        """Lets `skip` matching requests pass, then disturbs the next `times` (None: all of them).

        Args:
            kind: refuse, cut_request, hang, error, lose_response, cut_response or corrupt_response.
            service: by its signing name, as "s3", "sagemaker" or "servicequotas".
            operation, path: patterns for fnmatch.
            error: status, code and message of an "error".
        """
        self._post(
            "fault",
            kind=kind,
            service=service,
            operation=operation,
            path=path,
            skip=skip,
            times=times,
            **error,
        )

    def clear_faults(self) -> None:
        self._post("clear_faults")

    def image(
        self,
        pattern: str,
        *,
        command: Optional[List[str]] = None,
        python: Optional[str] = None,
        environment: Optional[Dict[str, str]] = None,
    ) -> None:
        """Defines what images whose URI matches the pattern run.

        Args:
            command: their ENTRYPOINT; it gets "train" as its argument.
            python: what `python3` means in them.
            environment: variables that they set.
        """
        self._post("image", pattern=pattern, command=command, python=python, environment=environment)

    def push_image(self, repository: str, tag: str) -> str:
        """Adds an image to the account's registry and returns its URI; `image` defines what it runs."""
        return self._post("push_image", repository=repository, tag=tag)

    def advance(self, seconds: float) -> None:
        """Advances the clock of jobs and logs."""
        self._post("advance", seconds=seconds)

    def speed(self, factor: float) -> None:
        """Makes the clock of jobs and logs run faster than real time."""
        self._post("speed", factor=factor)

    def interrupt(self, job: str) -> None:
        """Interrupts a spot job: SIGTERM, two minutes, SIGKILL, then it starts again."""
        self._post("interrupt", name=job)

    def wait_for_job(self, job: str, phase: str = "Completed") -> Dict[str, Any]:
        """Waits until the job reaches a secondary status or ends, and returns its description."""
        return self._post("wait_for_job", name=job, phase=phase)

    def requests(self, service: str = "", operation: str = "") -> List[Dict[str, Any]]:
        """Every request since the reset: time, service, operation, path, status, bytes_in, bytes_out."""
        return [
            each
            for each in self._post("requests")
            if service in ("", each["service"]) and operation in ("", each["operation"])
        ]

    def mails(self) -> List[Dict[str, str]]:
        """Every e-mail since the reset: to, text.

        Raises:
            AssertionError: EventBridge could not send one.
        """
        found = self._post("mails")
        if found["failed"]:
            raise AssertionError("\n".join(found["failed"]))
        return found["mails"]

    def confirm_email(self, address: str) -> None:
        """Clicks on the link in the first e-mail to that address."""
        self._post("confirm_email", address=address)

    def permissions(self) -> List[List[Any]]:
        """Every action since the reset that needs a permission, its resource, and its condition keys."""
        return self._post("permissions")

    def _post(self, verb: str, **arguments: Any) -> Any:
        request = urllib.request.Request(
            self.endpoint_url + "/stand-in/" + verb, data=json.dumps(arguments).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as response:
                return json.loads(response.read().decode())
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
