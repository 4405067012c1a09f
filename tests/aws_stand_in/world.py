"""Everything that a test can change: account, clock, jobs, buckets, faults and records."""

import json
import os
import threading
import time
from typing import Any, Dict, List

from moto.ecr.models import ecr_backends
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends

from . import messages, moto_app, service_queues
from .access import check_credentials, check_permission, resource_of
from .account import ACCOUNT_ID, BUCKET, REGION, ROLE_ARN, Account
from .aws_error import AwsError, ConnectionLost, Response
from .aws_request import AwsRequest
from .batch import BatchApi
from .builds import BuildApi
from .clock import Clock
from .faults import Faults
from .images import Images
from .logs import Logs
from .principals import current
from .quotas import PRICE_REGIONS, PriceApi, QuotaApi
from .shapes import check_input
from .stacks import StackApi
from .tuning import TuningApi

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
# The code that each service of our own gives a request that its model forbids
INVALID = {
    "sagemaker": "ValidationException",
    "logs": "InvalidParameterException",
    "servicequotas": "IllegalArgumentException",
    "pricing": "InvalidParameterException",
    "codebuild": "InvalidInputException",
    "batch": "ClientException",
}
MODEL_NAMES = {"servicequotas": "service-quotas"}  # where the signing name is another


class World:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._made = 0
        self.reset()

    def reset(self) -> None:
        """An account with one bucket, one role that SageMaker may assume, no images and no jobs."""
        if self._made:
            self.end_jobs()
        self._made += 1
        moto_app.reset()
        messages.reset()
        service_queues.reset()
        s3_backends[ACCOUNT_ID]["aws"].create_bucket(BUCKET, REGION)
        iam_backends[ACCOUNT_ID]["aws"].create_role(
            ROLE_ARN.rsplit("/", 1)[-1], json.dumps(TRUST), "/", None, "", [], None
        )
        self.account = Account()
        self.clock = Clock()
        self.faults = Faults()
        self.images = Images()
        self.logs = Logs(self.account, self.clock)
        jobs = os.path.join(self._folder, str(self._made))
        self.training = TuningApi(self.account, self.clock, self.images, self.logs, folder=jobs)
        self.batch = BatchApi(self.account, self.clock, self.training)
        self.stacks = StackApi(self.account)
        self._services: Dict[str, Any] = {
            "sagemaker": self.training,
            "batch": self.batch,
            "logs": self.logs,
            "servicequotas": QuotaApi(self.account),
            "pricing": PriceApi(),
            "codebuild": BuildApi(self.account, self.logs, self.push_image),
        }
        self._lock = threading.Lock()
        self._records: List[Dict[str, Any]] = []

    def end_jobs(self) -> None:
        self.batch.end()
        self.training.end()

    def push_image(self, repository: str, tag: str) -> str:
        """Puts an image into this account's registry, as docker push does, and returns its URI."""
        registry = ecr_backends[ACCOUNT_ID][REGION]
        if repository not in registry.repositories:
            registry.create_repository(repository, ACCOUNT_ID, {}, None, "MUTABLE", [])
        media_type = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {"size": 1},
            "layers": [],
            "tag": tag,
        }
        registry.put_image(repository, json.dumps(manifest), tag, media_type)
        return f"{ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com/{repository}:{tag}"

    def handle(self, request: AwsRequest) -> Response:
        """AWS's response. Raises AwsError."""
        if request.service == "pricing" and request.region not in PRICE_REGIONS:
            raise ConnectionLost  # there is no such host
        check_credentials(request, self.account)
        if request.service in self._services:
            return self._answer_json(request)
        if request.service == "s3":
            return moto_app.handle_s3(request, self.account)
        if request.operation == "GetCallerIdentity":
            return _caller_identity()
        action = f"{request.service}:{request.operation}"
        check_permission(action, resource_of(request), self.account)
        if request.service == "cloudformation":
            return self.stacks.handle(request.operation, request.body)
        return moto_app.call_moto(request)

    def _answer_json(self, request: AwsRequest) -> Response:
        """A service of the stand-in itself: the operation is the method of its name."""
        service = request.service
        operation = getattr(self._services[service], request.operation, None)
        if operation is None:
            raise AwsError(
                "UnknownOperationException", "The stand-in has no " + request.operation, status=404
            )
        try:
            parameters = json.loads(request.body)
        except ValueError:
            raise AwsError("SerializationException", "The body is not JSON") from None
        if service not in ("sagemaker", "batch"):  # which know what their operations are allowed on
            check_permission(f"{service}:{request.operation}", resource_of(request), self.account)
        check_input(MODEL_NAMES.get(service, service), request.operation, parameters, code=INVALID[service])
        response = operation(parameters)
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        return Response(200, headers, json.dumps(response).encode() if response else b"")

    def record(self, request: AwsRequest) -> Dict[str, Any]:
        """A new record, which its connection completes."""
        record = {
            "time": time.time(),
            "service": request.service,
            "operation": request.operation,
            "path": request.path,
            "status": None,  # of the response, if there was one
            "bytes_in": 0,  # of bodies
            "bytes_out": 0,
        }
        with self._lock:
            self._records.append(record)
        return record

    def records(self) -> List[Dict[str, Any]]:
        with self._lock:
            return list(self._records)


def _caller_identity() -> Response:
    body = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        f"<Arn>{current().arn}</Arn><UserId>AIDADONKEY</UserId><Account>{ACCOUNT_ID}</Account></GetCallerIdentityResult>"
        "<ResponseMetadata><RequestId>STANDIN</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )
    return Response(200, {"Content-Type": "text/xml"}, body.encode())
