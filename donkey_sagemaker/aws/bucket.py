"""One S3 bucket: list, upload and download its objects, and empty it."""

import base64
import hashlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Union

from botocore.exceptions import IncompleteReadError

from ..cloud.errors import NoSuchObject, NotAllowed
from ..cloud.partial_download import PartialDownload
from ..errors import DonkeySagemakerError
from .answers import ForeignAnswer
from .connection import Connection
from .errors import AwsError, ObjectChanged, ObjectDamaged, ObjectNotDeleted

BLOCK_BYTES = 1 << 16  # of a download
DOWNLOADS = 3  # tries to get an object with the right checksum


class Bucket:
    """Every request names the account that must own the bucket, in case its name now belongs to another.

    Args:
        kms_key: the ARN of the key that encrypts what is uploaded; None for the bucket's default.
    """

    def __init__(self, connection: Connection, name: str, *, kms_key: Optional[str] = None) -> None:
        self._connection = connection
        self.name = name
        self._encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key is not None else {}
        )

    def list_objects(self, prefix: str = "") -> Dict[str, int]:
        """The size in bytes of every object whose key starts with `prefix`.

        Raises:
            NoSuchBucket
        """
        pages = self._connection.pages("s3", "ListObjectsV2", self._parameters(Prefix=prefix))
        return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}

    def put(self, key: str, body: Union[bytes, bytearray], *, once: bool = False) -> None:
        """Uploads one object despite network failures; S3 verifies its SHA-256.

        Args:
            once: leave an object of that key as it is. It may be this one, if only the response was lost.
        Raises:
            Unreachable: after half an hour of trying.
        """
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
        parameters = self._parameters(Key=key, Body=body, ChecksumSHA256=digest, **self._encryption)
        # As a header, because botocore before 1.35 does not know the parameter
        headers = {"If-None-Match": "*"} if once else {}
        try:
            self._connection.retry(
                lambda: self._connection.call_once("s3", "PutObject", parameters, headers=headers),
                pauses_s=self._connection.timing.transfer_pauses_s,
            )
        except AwsError as error:
            if not once or error.code not in ("PreconditionFailed", "412"):
                raise

    def download(self, key: str, path: str, *, advance: Callable[[int], None]) -> None:
        """Downloads an object to `path`, continuing with what an earlier process left at `path` + ".part".

        Args:
            advance: called with the bytes of each step, first those that are already there; a negative number
                means that everything is downloaded again.
        Raises:
            NoSuchObject, ObjectDamaged
            Unreachable: after half an hour of trying.
        """
        try:
            self._download(key, PartialDownload(path, advance))
        except NotAllowed as error:
            # S3 says so of a missing object as well, to those who may list only a part of the bucket.
            if self._is_missing(key):
                raise NoSuchObject(f"s3://{self.name}/{key}", code=error.code) from error
            raise

    def _is_missing(self, key: str) -> bool:
        """Whether there is certainly no such object."""
        try:
            return key not in self.list_objects(key)
        except NotAllowed:
            return False

    def _download(self, key: str, partial: PartialDownload) -> None:
        for _ in range(DOWNLOADS):
            while not partial.is_complete():
                self._connection.retry(
                    lambda: self._download_more(key, partial),
                    pauses_s=self._connection.timing.transfer_pauses_s,
                )
            if partial.has_right_checksum():
                partial.finish()
                return
            partial.discard()
        raise ObjectDamaged(f"s3://{self.name}/{key}")

    def _download_more(self, key: str, partial: PartialDownload) -> None:
        """Downloads the rest of an object, or as much as arrives before the next failure."""
        parameters = self._parameters(Key=key)
        if partial.size:
            parameters.update(Range=f"bytes={partial.size}-", IfMatch=partial.etag)
        try:
            response = self._connection.call_once("s3", "GetObject", parameters)
        except ObjectChanged:
            partial.discard()
            raise
        if partial.size and not response.get("ContentRange", "").startswith(f"bytes {partial.size}-"):
            with self._connection.translate_errors("s3", "GetObject", parameters):
                raise ForeignAnswer("it is not the part that was requested.")
        if not partial.size:
            is_md5 = "-" not in response["ETag"] and response.get("ServerSideEncryption") in (None, "AES256")
            partial.begin(etag=response["ETag"], total=response["ContentLength"], is_md5=is_md5)
        start = partial.size
        while not partial.is_complete():
            block_bytes = min(BLOCK_BYTES, partial.total - partial.size)
            try:
                with self._connection.translate_errors("s3", "GetObject", parameters):
                    block = response["Body"].read(block_bytes)
                    if not block:
                        raise IncompleteReadError(actual_bytes=partial.size, expected_bytes=partial.total)
            except DonkeySagemakerError:
                if partial.size > start:
                    return  # data does arrive, if in pieces: this does not count as a failed try
                raise
            partial.add(block)

    def delete_objects(self) -> Iterator[int]:
        """Deletes all objects and all their versions; yields how many after each step.

        Raises:
            ObjectNotDeleted
        """
        deleted: List[Dict[str, str]] = []
        while True:
            page = self._connection.call("s3", "ListObjectVersions", self._parameters())
            versions = page.get("Versions", []) + page.get("DeleteMarkers", [])
            if not versions:
                return
            objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]
            if objects == deleted:  # there would be no end
                error = {"Key": objects[0]["Key"], "Message": "it is still there"}
                raise ObjectNotDeleted(self.name, error, region=self._connection.region)
            response = self._connection.call(
                "s3", "DeleteObjects", self._parameters(Delete={"Objects": objects, "Quiet": True})
            )
            for error in response.get("Errors", []):
                raise ObjectNotDeleted(self.name, error, region=self._connection.region)
            deleted = objects
            yield len(objects)

    def _parameters(self, **parameters: Any) -> Dict[str, Any]:
        return dict(parameters, Bucket=self.name, ExpectedBucketOwner=self._connection.account_id())
