"""Buckets as a training job sees them: moto's, from inside the process, with the rights of the job's role."""

import contextlib
from typing import Any, Dict, Iterator, List, Optional, Tuple

from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeBucket, s3_backends

from iam import is_denied

from .account import ACCOUNT_ID, REGION
from .principals import current

bucket_policies: Dict[str, Dict[str, Any]] = {}  # by bucket


class TransferFailed(Exception):
    """S3 cannot do it; the text is the job's failure reason."""


def split_uri(uri: str) -> Tuple[str, str]:
    """("bucket", "key") of s3://bucket/key."""
    bucket, _, key = uri.split("://", 1)[1].partition("/")
    return bucket, key


def find_bucket(name: str) -> Optional[FakeBucket]:
    try:
        return s3_backends[ACCOUNT_ID]["aws"].get_bucket(name)
    except MissingBucket:
        return None


def list_keys(bucket: str, prefix: str) -> List[str]:
    found = find_bucket(bucket)
    return sorted(key for key in found.keys.keys() if key.startswith(prefix)) if found else []


def s3_allows(action: str, resource: str, context: Dict[str, str]) -> bool:
    """Whether the bucket's own policy does not deny it; moto's rules for that know no conditions."""
    policy = bucket_policies.get(resource.split(":")[-1].partition("/")[0])
    return policy is None or not is_denied(policy, action, resource, context)


def read_object(bucket: str, key: str) -> Optional[bytes]:
    """
    Raises:
        TransferFailed
    """
    _check_access("s3:GetObject", bucket, key, "Data download failed")
    found = s3_backends[ACCOUNT_ID]["aws"].get_object(bucket, key)
    if found and found.kms_key_id:
        _check_key("kms:Decrypt", found.kms_key_id)
    return found.value if found else None


def write_object(bucket: str, key: str, body: bytes, *, kms_key: Optional[str] = None) -> None:
    """
    Raises:
        TransferFailed
    """
    _check_access("s3:PutObject", bucket, key, "Artifact upload failed")
    if kms_key:
        _check_key("kms:GenerateDataKey", kms_key)
    with _in_bucket(bucket):
        s3_backends[ACCOUNT_ID]["aws"].put_object(
            bucket, key, body, encryption="aws:kms" if kms_key else None, kms_key_id=kms_key
        )


def delete_object(bucket: str, key: str) -> None:
    """
    Raises:
        TransferFailed
    """
    _check_access("s3:DeleteObject", bucket, key, "Checkpoint deletion failed")
    with _in_bucket(bucket):
        s3_backends[ACCOUNT_ID]["aws"].delete_object(bucket, key)


def _check_access(action: str, bucket: str, key: str, what: str) -> None:
    resource = f"arn:aws:s3:::{bucket}/{key}"
    context = {"aws:ResourceAccount": ACCOUNT_ID, "aws:SecureTransport": "true"}
    if not (current().may(action, resource, context) and s3_allows(action, resource, context)):
        raise TransferFailed(f"ClientError: {what}:AccessDenied (403): {action} on {resource}")


def _check_key(action: str, key: str) -> None:
    if not current().may(action, key, {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}):
        raise TransferFailed(f"ClientError: AccessDenied (403): {action} on {key}")


@contextlib.contextmanager
def _in_bucket(name: str) -> Iterator[None]:
    """A bucket can disappear at any time."""
    try:
        yield
    except MissingBucket:
        raise TransferFailed("ClientError: Artifact upload failed:no bucket " + name) from None
