"""The refusals that the steps of a training tell apart, whichever cloud they come from.

Their wording comes from whoever raises them; what nobody catches is a plain `CloudRefused`.
"""

from typing import Optional

from ..errors import CloudRefused


class Unreachable(CloudRefused):
    """No answer arrived, so nobody knows what became of the request. It is right to try again later."""


class NotAllowed(CloudRefused):
    """The caller lacks a permission.

    Attributes:
        code: AWS's error code, as "AccessDenied".
        is_explained: whether AWS said which action is missing; it does so to members of the account only.
    """

    def __init__(self, what: str, fix: str, *, code: str = "", is_explained: bool = False) -> None:
        super().__init__(what, fix)
        self.code = code
        self.is_explained = is_explained


class NoCapacity(CloudRefused):
    """This instance type is not available; another one may be."""


class NoQuota(NoCapacity):
    """The account may not run that many instances of the type."""

    def __init__(self, what: str, fix: str, *, instance_type: str) -> None:
        super().__init__(what, fix)
        self.instance_type = instance_type


class NoSuchJob(CloudRefused):
    """
    Args:
        place: where it was looked for, as "on AWS in eu-west-1".
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
            "Train again: `python manage.py sagemaker-train` sends it again.",
        )
