"""AWS's partitions, which are separate from each other: the world, China and GovCloud. Pure."""

from typing import NamedTuple


class Partition(NamedTuple):
    name: str  # as in every ARN
    domain: str  # of the addresses of its services
    console_domain: str

    def console_url(self, region: str, path: str) -> str:
        """A page of AWS's console."""
        return f"https://{region}.{self.console_domain}/{path}"


_WORLD = Partition("aws", "amazonaws.com", "console.aws.amazon.com")
_BY_PREFIX = {
    "cn-": Partition("aws-cn", "amazonaws.com.cn", "console.amazonaws.cn"),
    "us-gov-": Partition("aws-us-gov", "amazonaws.com", "console.amazonaws-us-gov.com"),
}


def find_partition(region: str) -> Partition:
    return next((each for prefix, each in _BY_PREFIX.items() if region.startswith(prefix)), _WORLD)
