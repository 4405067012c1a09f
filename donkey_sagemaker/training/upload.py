"""The S3 upload: packs the tubs and sends the shards that the bucket does not hold yet."""

import threading
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..car.car import Car
from ..cloud.cloud import Cloud
from ..cloud.errors import NotAllowed
from ..cloud.request import JobKeys
from ..errors import BadInput, CloudRefused
from ..tubs.reader import Tub
from ..tubs.shards import PackReport, Shard, pack
from ..ui import Advance, PlainUi, Rate, format_bytes
from .disk import check_room_for_shards

PARALLEL_UPLOADS = 3  # each holds a shard of about 8 MiB in memory


class NoGoodRecords(BadInput):
    def __init__(self, paths: List[str], report: PackReport) -> None:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in report.set_aside.most_common())
        super().__init__(
            f"{', '.join(paths)} {'holds' if len(paths) == 1 else 'hold'} no record to train on"
            f"{f' ({reasons})' if reasons else ''}.",
            "Choose a tub with good records: --tub=PATH.",
        )


# What the records of a tub must have for a model of this type, by donkeycar's own pilots.
_FIELDS_BY_TYPE = {
    "imu": tuple(f"imu/{sensor}_{axis}" for sensor in ("acl", "gyr") for axis in "xyz"),
    "behavior": ("behavior/one_hot_state_array",),
    "localizer": ("localizer/location",),
}


class WrongTypeForTub(BadInput):
    """No record has the values that a model of this type learns from."""

    def __init__(self, paths: List[str], model_type: str, missing: Sequence[str]) -> None:
        super().__init__(
            f"A model of type {model_type} cannot be trained with {', '.join(paths)}: no record has "
            f"{', '.join(missing)}.",
            "Choose another type, for example --type=linear, or a tub that was recorded with them.",
        )


class DamagedShard(CloudRefused):
    """An object has the key of a shard but another size; cars may not replace it."""

    def __init__(self, uri: str, *, size: int, expected: int, code: str) -> None:
        super().__init__(
            f"{uri} is damaged: it has {size} bytes instead of {expected}, and only an administrator of the "
            f"AWS account can delete it [{code}].",
            f"As an administrator, delete it, then run the command again: `aws s3 rm {uri}`.",
        )


class Uploaded(NamedTuple):
    """What became of the tubs' shards."""

    sha256s: List[str]  # of every shard of this job
    bytes_by_key: Dict[str, int]  # of those that the bucket did not hold yet
    set_aside: Dict[str, int]  # reason -> how many parts of the tubs cannot be used


class Uploader:
    """Sends several shards at once, and holds no more than a few in memory.

    What goes wrong with one is raised at the next call. The threads are daemons, because Ctrl-C must not wait
    for an upload that is tried again and again.
    """

    def __init__(self, cloud: Cloud, *, advance: Advance) -> None:
        self.rate = Rate()
        self._cloud = cloud
        self._advance = advance
        self._slots = threading.Semaphore(PARALLEL_UPLOADS)
        self._errors: List[BaseException] = []

    def put(self, key: str, shard: Shard, *, damaged_bytes: Optional[int] = None) -> None:
        """Returns as soon as there is a free slot.

        Args:
            damaged_bytes: the size of an object of that key that is not the shard, and has to be replaced.
        """
        self._slots.acquire()
        if self._errors:
            raise self._errors[0]
        threading.Thread(target=self._put, args=(key, shard, damaged_bytes), daemon=True).start()

    def wait(self) -> None:
        """Returns when everything has arrived."""
        for _ in range(PARALLEL_UPLOADS):
            self._slots.acquire()
        if self._errors:
            raise self._errors[0]

    def _put(self, key: str, shard: Shard, damaged_bytes: Optional[int]) -> None:
        try:
            self._store(key, shard, damaged_bytes)
            self._advance(shard.records, self.rate.add(len(shard.body)))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._errors.append(error)
        finally:
            self._slots.release()

    def _store(self, key: str, shard: Shard, damaged_bytes: Optional[int]) -> None:
        if damaged_bytes is None:
            self._cloud.put(key, shard.body, once=True)
            return
        try:
            self._cloud.put(key, shard.body)
        except NotAllowed as error:
            uri = f"s3://{self._cloud.bucket}/{key}"
            raise DamagedShard(uri, size=damaged_bytes, expected=len(shard.body), code=error.code) from error


def upload_shards(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    keys: JobKeys,
    tubs: Mapping[str, Tub],
    *,
    model_type: str,
    dry_run: bool,
) -> Uploaded:
    """Packs the tubs and sends what the bucket does not hold yet.

    Args:
        tubs: by path.
        model_type: without a tflite_ or tensorrt_ prefix.
        dry_run: only find out what would be sent.
    Raises:
        NoGoodRecords, WrongTypeForTub, Unreachable, DiskFull
    """
    report = PackReport()
    size = (car.config.get("IMAGE_W", 160), car.config.get("IMAGE_H", 120))
    held = cloud.list_objects(keys.shards)
    if cloud.disk_path and not dry_run:
        new_bytes = sum(tub.estimate_bytes() for tub in tubs.values()) - sum(held.values())
        check_room_for_shards(cloud.disk_path, max(0, new_bytes))
    sha256s: List[str] = []
    new: Dict[str, int] = {}
    title = "Packing records" if dry_run or cloud.disk_path else "Uploading records"
    with ui.bar(title, sum(tub.estimate_records() for tub in tubs.values())) as advance:
        uploader = Uploader(cloud, advance=advance)
        for tub in tubs.values():
            for shard in pack(tub, report=report, size=size):
                key = keys.shard(shard.sha256)
                sha256s.append(shard.sha256)
                # Only the size shows that an object of this name is not the shard: an upload is atomic.
                # The job compares the digest.
                is_new = held.get(key) != len(shard.body) and key not in new
                if is_new:
                    new[key] = len(shard.body)
                if is_new and not dry_run:
                    uploader.put(key, shard, damaged_bytes=held.get(key))
                else:
                    advance(shard.records)
        uploader.wait()
    report_records(ui, report, size)
    if not report.records:
        raise NoGoodRecords([car.display(path) for path in tubs], report)
    missing = [name for name in _FIELDS_BY_TYPE.get(model_type, ()) if name not in report.fields]
    if missing:
        raise WrongTypeForTub([car.display(path) for path in tubs], model_type, missing)
    verb = "pack" if cloud.disk_path else "upload"
    report_upload(ui, new, len(sha256s), uploader.rate, verb=verb, dry_run=dry_run)
    return Uploaded(sha256s, new, dict(report.set_aside))


def report_records(ui: PlainUi, report: PackReport, size: Tuple[int, int]) -> None:
    deleted = f", {report.deleted} deleted" if report.deleted else ""
    ui.print(f"{report.records} good records{deleted}")
    for reason, count in report.set_aside.most_common():
        ui.warn(f"set aside: {count} x {reason} ({', '.join(report.examples[reason])})")
    if report.other_size:
        ui.warn(
            f"{report.other_size} pictures are not {size[0]}x{size[1]} (IMAGE_W x IMAGE_H): they are resized"
        )


def report_upload(
    ui: PlainUi, new: Dict[str, int], shards: int, rate: Rate, *, verb: str, dry_run: bool
) -> None:
    if not new:
        ui.print(f"Nothing to {verb}: all {shards} shards are there already")
        return
    ui.print(
        f"{f'Would {verb}' if dry_run else f'{verb.capitalize()}ed'} {len(new)} of {shards} shards, "
        f"{format_bytes(sum(new.values()))}"
        f"{'' if dry_run else f' in {rate.seconds:.1f} s ({rate.note()})'}"
        f"{'' if len(new) == shards else '; the others are there already'}"
    )
