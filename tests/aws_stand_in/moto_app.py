"""moto's services in this process, with the rules of S3 that moto lacks."""

import base64
import hashlib
import io
import zlib
from typing import Any, Callable, Dict, List, Tuple
from urllib.parse import unquote_to_bytes, urlsplit

from moto.backends import get_backend
from moto.ecr.models import ecr_backends  # noqa: F401  (loads the backend)
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from .access import check_permission, s3_permission
from .account import ACCOUNT_ID, REGION, Account
from .aws_error import AwsError, Response
from .aws_request import AwsRequest
from .principals import current
from .storage import bucket_policies, find_bucket

SERVICES = ("s3", "iam", "ecr", "sts")

_app = DomainDispatcherApplication(create_backend_app)


def reset() -> None:
    """Resets moto."""
    for service in SERVICES:
        backends = get_backend(service)
        for account in backends.values():
            account.reset()
        backends.clear()
    bucket_policies.clear()


def handle_s3(request: AwsRequest, account: Account) -> Response:
    """S3: owner, region, permission and checksums first, then moto."""
    _check_owner(request, account)
    action, resource, context = s3_permission(request)
    check_permission(action, resource, account, context)
    _check_key(request, account)
    _check_region(request)
    _check_sums(request)
    response = call_moto(request)
    lists = account.may("s3:ListBucket") and current().may(
        "s3:ListBucket", "arn:aws:s3:::" + request.bucket, {"aws:ResourceAccount": ACCOUNT_ID}
    )
    if response.status == 404 and request.key and not lists:
        # Without permission to list, a missing object is an AccessDenied.
        raise AwsError("AccessDenied", "Access Denied", status=403)
    return response


def _check_owner(request: AwsRequest, account: Account) -> None:
    owner = account.bucket_owners.get(request.bucket, ACCOUNT_ID)
    expected = request.headers.get("x-amz-expected-bucket-owner", ACCOUNT_ID)
    if request.bucket and find_bucket(request.bucket) and (owner != expected or owner != ACCOUNT_ID):
        raise AwsError("AccessDenied", "Access Denied", status=403)


def _check_key(request: AwsRequest, account: Account) -> None:
    """S3 uses the key of an encrypted object for the caller."""
    service = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
    wanted = request.headers.get("x-amz-server-side-encryption-aws-kms-key-id")
    if request.operation == "PutObject" and wanted:
        check_permission("kms:GenerateDataKey", wanted, account, service)
    bucket = find_bucket(request.bucket) if request.operation == "GetObject" else None
    stored = bucket.keys.get(request.key) if bucket else None
    if stored is not None and stored.kms_key_id:
        check_permission("kms:Decrypt", stored.kms_key_id, account, service)


def _check_region(request: AwsRequest) -> None:
    bucket = find_bucket(request.bucket) if request.bucket else None
    if bucket and bucket.region_name != request.region and request.operation != "GetBucketLocation":
        raise AwsError(
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint.",
            status=301,
            details={"Bucket": request.bucket, "Endpoint": f"s3.{bucket.region_name}.amazonaws.com"},
            headers={"x-amz-bucket-region": bucket.region_name},
        )


def _check_sums(request: AwsRequest) -> None:
    """Rejects a body with a wrong checksum."""
    digests: Dict[str, Callable[[bytes], bytes]] = {
        "Content-MD5": lambda body: hashlib.md5(body).digest(),
        "x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
        "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
    }
    for header, digest in digests.items():
        result = request.headers.get(header)
        if result is not None and result != base64.b64encode(digest(request.body)).decode():
            text = f"The {header} you specified did not match the calculated checksum."
            raise AwsError("BadDigest", text)


def call_moto(request: AwsRequest) -> Response:
    parts = urlsplit(request.target)
    environ: Dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "RAW_URI": request.target,
        "REQUEST_URI": request.target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(request.body)),
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        if name.lower() not in ("content-length", "content-type", "transfer-encoding"):
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    result: List[Tuple[str, List[Tuple[str, str]]]] = []
    chunks = _app.get_application(environ)(
        environ, lambda status, headers, _error=None: result.append((status, headers))
    )
    body = b"".join(chunks)
    status, headers = result[0]
    return Response(int(status.split()[0]), dict(headers), body)
