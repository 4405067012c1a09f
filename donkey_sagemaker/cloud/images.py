"""Which training image a job runs in."""

from typing import NamedTuple


class Image(NamedTuple):
    uri: str
    stock: bool  # knows nothing of us: the trainer travels to it as the `code` channel
