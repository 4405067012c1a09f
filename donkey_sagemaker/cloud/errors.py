"""The errors of a cloud that code catches, whichever cloud raises them.

Most get their text from whoever raises them. Errors that nobody catches are plain `CloudRefused`.
"""

from typing import Optional

from ..errors import CloudRefused


class Unreachable(CloudRefused):
    """There was no response, so the request may or may not have had an effect. Trying again makes sense."""


class NotAllowed(CloudRefused):
    """The caller lacks a permission.

    Attributes:
        code: AWS's error code, as "AccessDenied".
        is_explained: whether AWS said which action is not allowed; it says so only to members of the account.
    """

    def __init__(self, what: str, fix: str, *, code: str = "", is_explained: bool = False) -> None:
        super().__init__(what, fix)
        self.code = code
        self.is_explained = is_explained


class NoCapacity(CloudRefused):
    """No instance of this type is available; another type may be."""


class NoQuota(NoCapacity):
    """The account's quota does not allow that many instances of this type.

    Attributes:
        instance_type: the type.
        is_in_use: it is large enough, but other jobs use it.
    """

    def __init__(self, what: str, fix: str, *, instance_type: str, is_in_use: bool = False) -> None:
        super().__init__(what, fix)
        self.instance_type = instance_type
        self.is_in_use = is_in_use


class NoSuchJob(CloudRefused):
    """
    Args:
        place: where it does not exist, as "on AWS in eu-west-1".
    """

    def __init__(self, name: str, *, place: str) -> None:
        super().__init__(
            f"There is no job named {name} {place}.",
            "`python manage.py sagemaker-jobs` lists the jobs that exist.",
        )


class NoSuchObject(CloudRefused):
    """
    Args:
        uri: as "s3://BUCKET/KEY".
        code: AWS's error code, if there is one.
    """

    def __init__(self, uri: str, *, code: Optional[str] = None) -> None:
        super().__init__(
            f"{uri} does not exist{f' [{code}]' if code else ''}.",
            "Train again: `python manage.py sagemaker-train`.",
        )
