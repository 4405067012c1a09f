"""The state of the stand-in's account: permissions, quotas, speed. Tests set its attributes."""

from fnmatch import fnmatchcase
from typing import Any, Dict, List, Optional, Set

ACCOUNT_ID = "123456789012"
REGION = "eu-west-1"
USER_ARN = f"arn:aws:iam::{ACCOUNT_ID}:user/donkey"
ACCESS_KEY = "AKIADONKEYSTANDIN000"
BUCKET = "donkey-stand-in"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/donkey-sagemaker"

ON_DEMAND = "{} for training job usage"
SPOT = "{} for spot training job usage"
OTHER_USES = ("{} for training warm pool usage", "{} for endpoint usage", "{} for processing job usage")

# What this region offers for training; the API still lists the retired P2 and P3.
OFFERED = [
    f"ml.{family}.{size}"
    for family, sizes in (
        ("m5", "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge"),
        ("c5", "xlarge 2xlarge 4xlarge 9xlarge 18xlarge"),
        ("m7i", "large xlarge 2xlarge 4xlarge"),
        ("c7i", "large xlarge 2xlarge 4xlarge"),
        ("c8i", "xlarge 2xlarge 4xlarge"),
        ("g4dn", "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
        ("g5", "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
        ("g6", "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
        ("g6e", "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
    )
    for size in sizes.split()
]


class Account:
    def __init__(self) -> None:
        # Credentials
        self.expired = False
        self.skew_s = 0.0  # AWS's clock is so far ahead of this machine's
        self.denied: List[str] = []  # actions, as "iam:PassRole" or "s3:*"
        self.used_permissions: List[List[Any]] = []  # actions with their resources and keys for conditions
        # S3
        self.bucket_owners: Dict[str, str] = {}  # buckets of other accounts
        self.upload_bytes_per_s: Optional[float] = None
        self.download_bytes_per_s: Optional[float] = None
        # Instance types
        self.offered: Set[str] = set(OFFERED)
        self.unsupported: Set[str] = set()  # listed by the API, but not for training
        self.quotas: Dict[str, float] = {}  # by name, where another than the default
        self.lists_own_quotas = True  # an account without increases may have an empty list
        self.capacity: Dict[str, Dict[str, Any]] = {}  # {type: {"wait_s": ..., "fails": ...}}
        # Jobs
        self.phase_s: Dict[str, float] = {}  # how long a job stays in "Starting", "Downloading", ...
        self.failures: List[Dict[str, Any]] = []  # {"phase", "reason"}: each ends one job when it comes there
        # Builds
        self.has_build_project = True
        self.build_failure = ""  # why each build fails
        # Logs
        self.log_delay_s = 0.0
        self.log_page_events = 10000
        self.log_empty_pages = False  # each page of a log is preceded by an empty one
        self.log_page_streams = 50

    def set(self, **values: Any) -> None:
        """Sets attributes; a dict is merged into the existing one."""
        for name, value in values.items():
            old = getattr(self, name)
            if isinstance(old, dict):
                old.update(value)
            else:
                setattr(self, name, type(old)(value) if isinstance(old, set) else value)

    def may(self, action: str) -> bool:
        return not any(fnmatchcase(action, pattern) for pattern in self.denied)

    def quota(self, name: str) -> float:
        return self.quotas.get(name, default_quotas()[name])


def default_quotas() -> Dict[str, float]:
    """Every quota of a new account by its name: only a few types are not 0, and no warm pools."""
    quotas: Dict[str, float] = {}
    for instance_type in OFFERED:
        small = 1.0 if instance_type in ("ml.m5.large", "ml.m5.xlarge", "ml.c5.xlarge") else 0.0
        quotas[ON_DEMAND.format(instance_type)] = small
        quotas[SPOT.format(instance_type)] = small
        for use in OTHER_USES:
            quotas[use.format(instance_type)] = 0.0
    return quotas
