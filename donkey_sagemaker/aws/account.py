"""The AWS account itself, for sagemaker-setup and sagemaker-image."""

import contextlib
from typing import Iterator, List, NamedTuple, Optional

from ..cloud.job import RUNNING
from ..errors import CloudRefused
from ..findings import CannotCheck
from ..settings import Settings
from .backend import AwsCloud
from .bucket import Bucket
from .builder import Builder
from .connection import Connection
from .errors import NoSuchBucket
from .jobs import list_jobs, list_keepers, release_instances
from .queued_jobs import QueuedJobs
from .quotas import Quotas, describe_small_quota, quota_name
from .stack import Stack


class BucketContents(NamedTuple):
    objects: int
    size_bytes: int


class Account:
    """What only AWS has: an identity, the stack that setup creates, and the builder of training images."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self.region = self._connection.region
        self.place = self._connection.place  # as "on AWS in eu-west-1"
        self.stack = Stack(self._connection)

    def open_cloud(self) -> AwsCloud:
        """The cloud of this account, over the same connection."""
        return AwsCloud(self._settings, self._connection)

    @property
    def id(self) -> str:
        """Its twelve digits."""
        return self._connection.account_id()

    @property
    def partition(self) -> str:
        """Of its ARNs: "aws", except in China and GovCloud."""
        return self._connection.identity()["Arn"].split(":")[1]

    @property
    def builder(self) -> Builder:
        """What builds training images in the account."""
        return Builder(self._connection)

    def check_queue(self, instances: int, instance_type: str, *, spot: bool) -> Optional[str]:
        """A warning if the quota is too small for a queue of so many instances of that type."""
        name = quota_name(instance_type, spot=spot)
        try:
            quota = int(Quotas(self._connection).read(name))
        except CannotCheck:
            return None
        return describe_small_quota(name, quota, instances, self.region) if quota < instances else None

    def running_jobs(self) -> List[str]:
        """The names of all training jobs that have not ended, of every car; those in the queue first."""
        waiting = [job.state.name for job in QueuedJobs(self._settings, self._connection).list_waiting()]
        return waiting + [
            job.name for status in RUNNING for job in list_jobs(self._connection, status=status)
        ]

    def release_instances(self) -> List[str]:
        """Gives back all instances that ended jobs have kept; returns the names of these jobs."""
        released = []
        for name in list_keepers(self._connection):
            with contextlib.suppress(CloudRefused):  # its time may just have ended
                release_instances(self._connection, name)
                released.append(name)
        return released

    def bucket_contents(self, bucket: str) -> Optional[BucketContents]:
        """None if there is no such bucket."""
        try:
            sizes = Bucket(self._connection, bucket).list_objects()
        except NoSuchBucket:
            return None
        return BucketContents(len(sizes), sum(sizes.values()))

    def empty_bucket(self, bucket: str) -> Iterator[int]:
        """Deletes all objects and all their versions; yields how many after each step.

        Raises:
            ObjectNotDeleted
        """
        return Bucket(self._connection, bucket).delete_objects()
