"""Buckets as a training job sees them: moto's, from inside the process."""

import contextlib
from typing import Iterator, List, Optional, Tuple

from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeBucket, s3_backends

from .account import ACCOUNT_ID


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


def read_object(bucket: str, key: str) -> Optional[bytes]:
    found = s3_backends[ACCOUNT_ID]["aws"].get_object(bucket, key)
    return found.value if found else None


def write_object(bucket: str, key: str, body: bytes) -> None:
    """
    Raises:
        TransferFailed
    """
    with _in_bucket(bucket):
        s3_backends[ACCOUNT_ID]["aws"].put_object(bucket, key, body)


def delete_object(bucket: str, key: str) -> None:
    """
    Raises:
        TransferFailed
    """
    with _in_bucket(bucket):
        s3_backends[ACCOUNT_ID]["aws"].delete_object(bucket, key)


@contextlib.contextmanager
def _in_bucket(name: str) -> Iterator[None]:
    """A bucket can disappear at any time."""
    try:
        yield
    except MissingBucket:
        raise TransferFailed("ClientError: Artifact upload failed:no bucket " + name) from None
