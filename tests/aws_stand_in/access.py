"""Access: keys, the clock that signed a request, and denied actions."""

import datetime
import json
import time
from typing import Dict, Optional, Tuple
from urllib.parse import parse_qs

from .account import ACCOUNT_ID, REGION, Account
from .aws_error import AwsError
from .aws_request import AwsRequest
from .principals import current, find_role, identify
from .storage import s3_allows

S3_SKEW_S = 15 * 60
SKEW_S = 5 * 60
STAMP = "%Y%m%dT%H%M%SZ"

# S3's permissions are named for what they give, not for the operation.
S3_ACTIONS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "ListObjectVersions": "ListBucketVersions",
    "DeleteObjects": "DeleteObject",
}


def check_credentials(request: AwsRequest, account: Account) -> None:
    """Rejects unknown keys, expired tokens and requests that are signed at the wrong time."""
    service = request.service
    query = service in ("sts", "iam", "cloudformation")
    if not identify(request.access_key):
        if service == "s3":
            text = "The AWS Access Key Id you provided does not exist in our records."
            raise AwsError("InvalidAccessKeyId", text, status=403)
        code = "InvalidClientTokenId" if query else "UnrecognizedClientException"
        raise AwsError(
            code, "The security token included in the request is invalid.", status=403 if query else 400
        )
    if account.expired:
        if service == "s3":
            raise AwsError("ExpiredToken", "The provided token has expired.")
        text = "The security token included in the request is expired"
        raise AwsError(
            "ExpiredToken" if query else "ExpiredTokenException", text, status=403 if query else 400
        )
    _check_clock(request, query, server_s=time.time() + account.skew_s)


def _check_clock(request: AwsRequest, query: bool, *, server_s: float) -> None:
    server = datetime.datetime.utcfromtimestamp(server_s)
    signed = datetime.datetime.strptime(request.headers["X-Amz-Date"], STAMP)
    late_s = (server - signed).total_seconds()
    if request.service == "s3":
        if abs(late_s) > S3_SKEW_S:
            raise AwsError(
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
                status=403,
                details={
                    "RequestTime": signed.strftime(STAMP),
                    "ServerTime": server.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "MaxAllowedSkewMilliseconds": str(S3_SKEW_S * 1000),
                },
            )
        return
    if abs(late_s) <= SKEW_S:
        return
    if late_s > 0:
        words, sign, limit = "Signature expired: {} is now earlier than {} ({} {} 5 min.)", "-", -SKEW_S
    else:
        words, sign, limit = (
            "Signature not yet current: {} is still later than {} ({} {} 5 min.)",
            "+",
            SKEW_S,
        )
    bound = server + datetime.timedelta(seconds=limit)
    text = words.format(signed.strftime(STAMP), bound.strftime(STAMP), server.strftime(STAMP), sign)
    code = "SignatureDoesNotMatch" if query else "InvalidSignatureException"
    raise AwsError(code, text, status=403 if query else 400)


def check_permission(
    action: str, resource: str, account: Account, context: Optional[Dict[str, str]] = None
) -> None:
    """Rejects what a test denies, and what the caller's policies do not allow, with AWS's own message."""
    context = context or {}
    account.used_permissions.append([action, resource, context])
    is_free = not action.startswith("s3:") or s3_allows(action, resource, context)
    if is_free and account.may(action) and current().may(action, resource, context):
        return
    service = action.split(":")[0]
    text = (
        "User: {} is not authorized to perform: {} on resource: {} because no identity-based policy "
        "allows the {} action"
    ).format(current().arn, action, f'"{resource}"' if service == "s3" else resource, action)
    plain = service in ("s3", "iam", "cloudformation") and action != "iam:PassRole"
    code = "AccessDenied" if plain else "AccessDeniedException"
    raise AwsError(code, text, status=403 if plain else 400)


def resource_of(request: AwsRequest) -> str:
    """The ARN of a request's resource; "*" if it has none."""
    place = f":{REGION}:{ACCOUNT_ID}:"
    if request.service == "logs":
        parameters = json.loads(request.body)
        stream = ":log-stream:" + parameters.get("logStreamName", "")
        return "arn:aws:logs" + place + "log-group:" + parameters["logGroupName"] + stream
    if request.service == "ecr":
        parameters = json.loads(request.body)
        name = parameters.get("repositoryName") or "".join(parameters.get("repositoryNames", ["*"]))
        return "arn:aws:ecr" + place + "repository/" + name
    if request.service == "codebuild":
        parameters = json.loads(request.body)
        name = parameters.get("projectName") or parameters.get("id") or parameters["ids"][0]
        return "arn:aws:codebuild" + place + "project/" + name.split(":")[0]
    role = parse_qs(request.body.decode()).get("RoleName") if request.service == "iam" else None
    if not role:
        return "*"
    found = find_role(role[0])
    return found.arn if found else f"arn:aws:iam::{ACCOUNT_ID}:role/{role[0]}"


def s3_permission(request: AwsRequest) -> Tuple[str, str, Dict[str, str]]:
    """The action that an S3 request needs, its resource, and the keys for conditions."""
    action = "s3:" + S3_ACTIONS.get(request.operation, request.operation)
    on_key = request.key and action in ("s3:PutObject", "s3:GetObject", "s3:DeleteObject")
    resource = "arn:aws:s3:::" + (request.bucket + "/" + request.key if on_key else request.bucket)
    # The loopback needs no TLS.
    context = {"aws:ResourceAccount": ACCOUNT_ID, "aws:SecureTransport": "true"}
    if "prefix" in request.query:
        context["s3:prefix"] = request.query["prefix"]
    if "If-None-Match" in request.headers:
        context["s3:if-none-match"] = request.headers["If-None-Match"]
    return action, resource, context
