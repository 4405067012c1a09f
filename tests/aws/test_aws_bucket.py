"""Objects in S3: real boto3 against the stand-in, with every network failure that we know of."""

import os
import re
import socket
import threading
import time

import pytest

from aws_cloud import BODY, KEY, error_message
from donkey_sagemaker.aws.bucket import Bucket
from donkey_sagemaker.aws.connection import Timing
from donkey_sagemaker.aws.errors import ObjectDamaged, ObjectNotDeleted
from donkey_sagemaker.cloud.errors import NoSuchObject, NotAllowed, Unreachable


def download(cloud, path, key=KEY):
    """Downloads, and returns the bytes of each step."""
    steps = []
    cloud.download(key, str(path), advance=steps.append)
    return steps


def test_what_is_put_can_be_listed_and_downloaded(cloud, tmp_path, pauses):
    """An object is downloaded as it was uploaded, under any key that a file name can have."""
    key = "donkeycar/jobs/a b+c/ä&'.zip"
    cloud.put(key, BODY)
    cloud.put("other/x", b"")
    assert cloud.list_objects("donkeycar/") == {key: len(BODY)}
    steps = download(cloud, tmp_path / "x", key)
    assert (tmp_path / "x").read_bytes() == BODY
    assert sum(steps) == len(BODY) and len(steps) > 1
    assert download(cloud, tmp_path / "y", "other/x") == []
    assert (tmp_path / "y").read_bytes() == b""
    assert sorted(os.listdir(str(tmp_path))) == ["x", "y"]
    assert not pauses


def test_list_has_several_pages(aws, cloud, connection):
    """All objects are listed, even if there are more than S3 lists on one page."""

    def shorten(params, **_):
        params["MaxKeys"] = 2

    connection.client("s3").meta.events.register("provide-client-params.s3.ListObjectsV2", shorten)
    for number in range(5):
        cloud.put(f"donkeycar/{number}", b"")
    assert len(cloud.list_objects("donkeycar/")) == 5
    assert len(aws.requests("s3", "ListObjectsV2")) == 3


def test_every_request_names_owner_and_checksum(cloud, connection, tmp_path, aws):
    """If another account now has a bucket of this name, it receives no pictures and provides no code."""
    sent = []
    connection.client("s3").meta.events.register("before-send.s3", lambda request, **_: sent.append(request))
    cloud.put(KEY, BODY)
    cloud.list_objects("")
    download(cloud, tmp_path / "x")
    headers = [{name.lower(): value for name, value in each.headers.items()} for each in sent]
    owners = [each["x-amz-expected-bucket-owner"] for each in headers]
    assert [owner.decode() if isinstance(owner, bytes) else owner for owner in owners] == [aws.account_id] * 3
    assert b"donkey-sagemaker/" in headers[0]["user-agent"]
    assert "x-amz-checksum-sha256" in headers[0]
    assert len(aws.requests("sts")) == 1


@pytest.fixture(params=["IfNoneMatch is known", "as with an old botocore"])
def any_botocore(request, connection):
    """Once with a model of PutObject that lacks the parameter, as botocore's before 1.35 does."""
    members = connection.client("s3").meta.service_model.operation_model("PutObject").input_shape.members
    if request.param != "IfNoneMatch is known":
        members.pop("IfNoneMatch", None)


def test_put_once(aws, cloud, tmp_path, any_botocore):
    """An object that is there stays as it is, and the same call without `once` replaces it."""
    cloud.put(KEY, BODY, once=True)
    cloud.put(KEY, b"other", once=True)
    download(cloud, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert [each["status"] for each in aws.requests("s3", "PutObject")] == [200, 412]
    cloud.put(KEY, b"other")
    assert cloud.list_objects("") == {KEY: 5}


def test_put_once_with_a_lost_response(aws, cloud, pauses):
    """The object that is in the way is the one that was put."""
    aws.fault("lose_response", operation="PutObject")
    aws.fault("error", operation="PutObject", status=409, code="ConditionalRequestConflict")
    cloud.put(KEY, BODY, once=True)
    assert cloud.list_objects("") == {KEY: len(BODY)}
    assert len(pauses) == 2


def test_own_key(aws, open_cloud, tmp_path):
    """It encrypts every object that is uploaded; the ETag of such an object is no checksum."""
    key = "arn:aws:kms:eu-west-1:123456789012:key/1"
    cloud = open_cloud(kms_key=key)
    cloud.put(KEY, BODY)
    cloud.put(KEY + "2", BODY, once=True)
    for each in (KEY, KEY + "2"):
        stored = aws.client("s3").head_object(Bucket=aws.bucket, Key=each)
        assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", key)
    download(cloud, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY


FAULTS = {
    "refused": {"kind": "refuse"},
    "request truncated": {"kind": "cut_request"},
    "no response": {"kind": "hang"},
    "done, response lost": {"kind": "lose_response"},
    "internal error": {"kind": "error", "status": 500, "code": "InternalError"},
    "503 without a known code": {"kind": "error", "status": 503, "code": "Nobody"},
    "slow down": {"kind": "error", "status": 503, "code": "SlowDown"},
    "throttled": {"kind": "error", "status": 400, "code": "ThrottlingException", "message": "Rate exceeded"},
    "stalled": {"kind": "error", "status": 400, "code": "RequestTimeout"},
    "body incomplete": {"kind": "error", "status": 400, "code": "IncompleteBody"},
    "body changed": {"kind": "error", "status": 400, "code": "BadDigest"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_put_survives(fault, aws, open_cloud, pauses):
    """An object arrives complete after a network failure that happens twice."""
    cloud = open_cloud(Timing(read_timeout_s=1))
    aws.fault(service="s3", operation="PutObject", times=2, **FAULTS[fault])
    cloud.put(KEY, BODY)
    assert cloud.list_objects("") == {KEY: len(BODY)}
    assert len(pauses) == 2 and 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1.0


def test_put_gives_up_after_half_an_hour(aws, cloud, pauses):
    """If the network stays down, that is reported, after a long time."""
    aws.fault("refuse", operation="PutObject", times=None)
    text = error_message(Unreachable, lambda: cloud.put(KEY, BODY))
    assert re.fullmatch(
        r"AWS cannot be reached \[ConnectionClosedError\]: Connection was closed .+\n"
        r"Check the network and SAGEMAKER_REGION, then run the command again: it continues "
        r"where it stopped\.",
        text,
    )
    assert 15 * 60 < sum(pauses) < 35 * 60


def test_parallel_puts(aws, cloud, pauses):
    """Several threads upload at once, despite failures, and request the caller's identity once."""
    aws.fault("cut_request", operation="PutObject", skip=3, times=4)
    keys = [f"donkeycar/{number}" for number in range(16)]
    threads = [threading.Thread(target=cloud.put, args=(key, BODY)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cloud.list_objects("") == dict.fromkeys(keys, len(BODY))
    assert len(pauses) == 4 and len(aws.requests("sts")) == 1


def test_slow_upload_is_not_a_failure(aws, open_cloud, pauses, monkeypatch):
    """Uploading an object may take longer than any timeout, as long as there is progress."""
    connect = socket.socket.connect

    def connect_with_small_buffer(self, address):
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)  # by default megabytes
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_with_small_buffer)
    # In urllib3 the connect timeout is also that of sending.
    cloud = open_cloud(Timing(connect_timeout_s=1, read_timeout_s=1))
    aws.set(upload_bytes_per_s=1.5e6)
    body = BODY * 16
    started = time.time()
    cloud.put(KEY, body)
    assert time.time() - started > 2 and not pauses
    assert cloud.list_objects("") == {KEY: len(body)}


def test_download_continues_after_a_cut(aws, cloud, tmp_path, pauses):
    """After a lost connection only the rest is downloaded."""
    cloud.put(KEY, BODY)
    aws.fault("cut_response", operation="GetObject")
    steps = download(cloud, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert sum(steps) == len(BODY) and min(steps) > 0
    first, second = aws.requests("s3", "GetObject")
    assert (first["bytes_out"], second["bytes_out"]) == (len(BODY) // 2, len(BODY) // 2)
    assert not pauses
    assert os.listdir(str(tmp_path)) == ["x"]


@pytest.mark.parametrize("kind", ["refuse", "hang", "lose_response", "error"])
def test_download_survives(kind, aws, cloud, open_cloud, tmp_path, pauses):
    """An object is downloaded completely after a network failure that happens three times."""
    cloud.put(KEY, BODY)
    aws.fault(kind, operation="GetObject", times=3)
    assert sum(download(open_cloud(Timing(read_timeout_s=1)), tmp_path / "x")) == len(BODY)
    assert (tmp_path / "x").read_bytes() == BODY
    assert len(pauses) == 3


def test_download_in_many_pieces(aws, cloud, tmp_path, pauses):
    """As long as data arrives, any number of lost connections is tolerated."""
    body = bytes(range(256)) * 32768
    cloud.put(KEY, body)
    aws.fault("cut_response", operation="GetObject", times=20)
    assert sum(download(cloud, tmp_path / "x")) == len(body)
    assert (tmp_path / "x").read_bytes() == body
    assert len(aws.requests("s3", "GetObject")) == 21 and not pauses


def leave_half(aws, cloud, path):
    """Leaves what a process leaves that is killed in the middle of a download."""
    aws.fault("cut_response", operation="GetObject")
    aws.fault("refuse", operation="GetObject", times=None)
    with pytest.raises(Unreachable):
        download(cloud, path)
    aws.clear_faults()


def test_download_continues_in_another_process(aws, cloud, open_cloud, tmp_path):
    """What an earlier process downloaded is the first step, and is not downloaded again."""
    cloud.put(KEY, BODY)
    leave_half(aws, cloud, tmp_path / "x")
    half = len(BODY) // 2
    assert os.path.getsize(str(tmp_path / "x.part")) == half
    steps = download(open_cloud(), tmp_path / "x")
    assert steps[0] == half and sum(steps) == len(BODY)
    assert aws.requests("s3", "GetObject")[-1]["bytes_out"] == half
    assert (tmp_path / "x").read_bytes() == BODY
    assert os.listdir(str(tmp_path)) == ["x"]


def test_download_of_a_replaced_object(aws, cloud, open_cloud, tmp_path):
    """If the object was replaced in the meantime, no byte of the old one remains."""
    cloud.put(KEY, BODY)
    leave_half(aws, cloud, tmp_path / "x")
    cloud.put(KEY, BODY[::-1])
    steps = download(open_cloud(), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY[::-1]
    assert sum(steps) == len(BODY) and min(steps) == -len(BODY) // 2


@pytest.mark.parametrize("left", ["x.part", "x.part.json"])
def test_incomplete_leftovers_are_discarded(left, cloud, tmp_path):
    """A part without its description, or a description that cannot be read, is discarded."""
    cloud.put(KEY, BODY)
    (tmp_path / left).write_bytes(b"rubbish")
    assert sum(download(cloud, tmp_path / "x")) == len(BODY)
    assert (tmp_path / "x").read_bytes() == BODY
    assert os.listdir(str(tmp_path)) == ["x"]


@pytest.mark.parametrize("total", ["1e400", "1" + "0" * 400, "-1", "[]", '"x"', "NaN"])
def test_a_damaged_description_of_a_part(total, cloud, tmp_path):
    """The part is discarded: nobody knows what it is a part of."""
    cloud.put(KEY, BODY)
    (tmp_path / "x.part").write_bytes(b"rubbish")
    (tmp_path / "x.part.json").write_text('{"etag": "x", "is_md5": true, "total": ' + total + "}")
    assert sum(download(cloud, tmp_path / "x")) == len(BODY)
    assert (tmp_path / "x").read_bytes() == BODY
    assert os.listdir(str(tmp_path)) == ["x"]


def test_download_with_a_wrong_checksum(aws, cloud, tmp_path):
    """A changed byte is found by the checksum, and everything is downloaded again."""
    cloud.put(KEY, BODY)
    aws.fault("corrupt_response", operation="GetObject")
    assert sum(download(cloud, tmp_path / "x")) == len(BODY)
    assert (tmp_path / "x").read_bytes() == BODY
    aws.fault("corrupt_response", operation="GetObject", times=None)
    assert (
        error_message(ObjectDamaged, lambda: download(cloud, tmp_path / "y"))
        == "Each download of s3://donkey-stand-in/donkeycar/shards/0.zip had a wrong checksum.\n"
        "Use another network: `python manage.py sagemaker-train --attach`."
    )
    assert os.listdir(str(tmp_path)) == ["x"]


def test_download_of_a_multipart_upload(aws, cloud, tmp_path):
    """SageMaker uploads a large archive in parts; its ETag is not the MD5 of the whole."""
    client = aws.client("s3")
    where = {"Bucket": aws.bucket, "Key": KEY}
    upload = client.create_multipart_upload(**where)["UploadId"]
    part = client.upload_part(Body=BODY, PartNumber=1, UploadId=upload, **where)
    parts = [{"ETag": part["ETag"], "PartNumber": 1}]
    client.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": parts}, **where)
    download(cloud, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY


def test_download_of_a_missing_object(cloud, tmp_path):
    """The error names the object."""
    assert (
        error_message(NoSuchObject, lambda: download(cloud, tmp_path / "x"))
        == "s3://donkey-stand-in/donkeycar/shards/0.zip does not exist [NoSuchKey].\n"
        "Train again: `python manage.py sagemaker-train`."
    )
    assert os.listdir(str(tmp_path)) == []


def test_download_of_a_missing_object_by_a_car(aws, cloud, tmp_path):
    """S3 answers with AccessDenied to a car, which may list only its folder; the list there is the proof."""
    aws.fault(
        "error", operation="GetObject", status=403, code="AccessDenied", message="Access Denied", times=None
    )
    assert error_message(NoSuchObject, lambda: download(cloud, tmp_path / "x")) == (
        f"s3://donkey-stand-in/{KEY} does not exist [AccessDenied].\n"
        "Train again: `python manage.py sagemaker-train`."
    )
    cloud.put(KEY, BODY)
    assert error_message(NotAllowed, lambda: download(cloud, tmp_path / "x")).startswith(
        f"Your AWS user is not allowed to use s3:GetObject on arn:aws:s3:::{aws.bucket}/{KEY} [AccessDenied]."
    )


def test_a_part_that_was_not_requested_is_not_appended(aws, cloud, connection, tmp_path, pauses):
    """A proxy may answer a request for the rest of an object with all of it."""
    cloud.put(KEY, BODY)
    aws.fault("cut_response", operation="GetObject")
    send = connection.call_once

    def send_through_a_proxy(service, operation, parameters):
        return send(service, operation, {name: parameters[name] for name in parameters if name != "Range"})

    connection.call_once = send_through_a_proxy
    message = error_message(Unreachable, lambda: download(cloud, tmp_path / "x"))
    assert "[ForeignAnswer]: it is not the part that was requested." in message
    connection.call_once = send
    download(cloud, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY


def test_objects_that_are_not_deleted_are_not_deleted_for_ever(cloud, connection):
    """An answer that claims a deletion is not enough."""
    cloud.put(KEY, BODY)
    send = connection.call_once

    def send_without_effect(service, operation, parameters):
        return {} if operation == "DeleteObjects" else send(service, operation, parameters)

    connection.call_once = send_without_effect
    with pytest.raises(ObjectNotDeleted) as caught:
        list(Bucket(connection, cloud.bucket).delete_objects())
    assert caught.value.what == f"s3://{cloud.bucket}/{KEY} cannot be deleted: it is still there"
