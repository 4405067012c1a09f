"""A container's /opt/ml: what SageMaker puts there, and what it uploads."""

import json
import os
import tarfile
from typing import Any, Dict, List, Optional, Tuple

from .rules import with_each_type
from .storage import TransferFailed, list_keys, read_object, split_uri, write_object

ILLEGAL = "illegal char sub-sequence '//' in S3 key"


def fill(path: str, request: Dict[str, Any], *, hosts: List[str], host: str) -> None:
    """Makes the /opt/ml of one host at `path`: channels, configuration and empty folders for results."""
    for folder in ("input/config", "input/data", "model", "output/data", "checkpoints"):
        os.makedirs(os.path.join(path, folder))
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"]["S3DataSource"]
        files = list_channel(source)
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            files = files[hosts.index(host) :: len(hosts)]
        _download(files, os.path.join(path, "input", "data", channel["ChannelName"]))
    for name, content in (
        ("hyperparameters", request.get("HyperParameters", {})),
        ("inputdataconfig", _describe_channels(request)),
        ("resourceconfig", _describe_hosts(request, hosts=hosts, host=host)),
    ):
        with open(os.path.join(path, "input", "config", name + ".json"), "w") as file:
            json.dump(content, file)


def list_channel(source: Dict[str, str]) -> List[Tuple[str, str, str]]:
    """(bucket, key, path in the channel's folder) of each object."""
    bucket, prefix = split_uri(source["S3Uri"])
    if source["S3DataType"] == "S3Prefix":
        keys = list_keys(bucket, prefix)
        return [(bucket, key, key[len(prefix) :].lstrip("/") or key.rsplit("/", 1)[-1]) for key in keys]
    try:
        head, *names = json.loads(read_object(bucket, prefix) or b"")
        bucket, prefix = split_uri(head["prefix"])
        return [(bucket, prefix + name, name) for name in names]
    except (ValueError, LookupError, TypeError, AttributeError):
        text = "ClientError: Data download failed:{} is not a manifest".format(source["S3Uri"])
        raise TransferFailed(text) from None


def _download(files: List[Tuple[str, str, str]], folder: str) -> None:
    os.makedirs(folder)
    for bucket, key, name in files:
        if "//" in key:
            raise TransferFailed(f"ClientError: Data download failed:{key}: {ILLEGAL}")
        body = read_object(bucket, key)
        if body is None:
            raise TransferFailed(f"ClientError: Data download failed:no object s3://{bucket}/{key}")
        path = os.path.join(folder, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(body)


def _describe_channels(request: Dict[str, Any]) -> Dict[str, Any]:
    result: Dict[str, Any] = {}
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"]["S3DataSource"]
        result[channel["ChannelName"]] = {
            "TrainingInputMode": channel.get("InputMode", "File"),
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
        if "ContentType" in channel:
            result[channel["ChannelName"]]["ContentType"] = channel["ContentType"]
    return result


def _describe_hosts(request: Dict[str, Any], *, hosts: List[str], host: str) -> Dict[str, Any]:
    kind = with_each_type(request)[0]["ResourceConfig"]["InstanceType"]
    group = "homogeneousCluster"
    return {
        "current_host": host,
        "current_instance_type": kind,
        "current_group_name": group,
        "hosts": hosts,
        "instance_groups": [{"instance_group_name": group, "instance_type": kind, "hosts": hosts}],
        "network_interface_name": "eth0",
    }


def export(paths: List[str], request: Dict[str, Any], *, work: str) -> str:
    """Uploads model/ and output/data/ of the hosts; returns the URI of model.tar.gz, "" for no model.

    Args:
        work: a folder for the archives.
    """
    output = request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    uri = "{}/{}/output".format(output, request["TrainingJobName"])
    if "//" in split_uri(uri)[1]:
        raise TransferFailed("ClientError: Artifact upload failed:" + ILLEGAL)
    kms_key = request["OutputDataConfig"].get("KmsKeyId")
    data = os.path.join("output", "data")
    _export(paths, data, os.path.join(work, "output.tar.gz"), uri=uri, kms_key=kms_key)
    return _export(paths, "model", os.path.join(work, "model.tar.gz"), uri=uri, kms_key=kms_key)


def _export(paths: List[str], folder: str, archive_path: str, *, uri: str, kms_key: Optional[str]) -> str:
    with tarfile.open(archive_path, "w:gz") as archive:
        for path in paths:
            root = os.path.join(path, folder)
            for child in sorted(os.listdir(root)):
                archive.add(os.path.join(root, child), arcname=child)
        empty = not archive.getmembers()
    if empty:
        return ""
    uri = f"{uri}/{os.path.basename(archive_path)}"
    with open(archive_path, "rb") as file:
        write_object(*split_uri(uri), body=file.read(), kms_key=kms_key)
    return uri
