"""Memory and time of what the car does before the job runs: read and pack the tub, fill the bucket."""

import os
import shutil
import statistics
from typing import List, NamedTuple

from report import MIB, Details, Measured, Row
from tubs import count_bytes, read_v2, repeat_tub
from workbench import HERE, Timed, Workbench, wait_for_jobs

TIMES = 10
PEAK_TARGET_BYTES = 100 * MIB
ZIP_TARGET = 1.25  # 0.8 of its speed


class Packed(NamedTuple):
    records: int
    bytes: int
    launches: List[Timed]
    ours: List[Timed]
    starts: List[Timed]  # of the same program, which then packs nothing
    zips: List[Timed]  # empty where there is no zip


def measure(bench: Workbench, *, tub: str, rounds: int) -> Measured:
    longer = os.path.join(bench.folder, "longer", "tub")
    repeat_tub(tub, longer, records=TIMES * len(read_v2(tub).records))
    try:
        packed = [pack(bench, tub=path, rounds=rounds) for path in (tub, longer)]
    finally:
        shutil.rmtree(os.path.dirname(longer))
    return Measured(
        [make_memory_row(each) for each in packed]
        + [make_time_row(each) for each in packed]
        + [make_start_row(packed[0])]
        + [make_launch_row(each) for each in packed],
        [
            Details(
                "Each packing",
                (
                    "records",
                    "seconds, ours",
                    "of it the start",
                    "seconds, zip",
                    "with the launch: seconds",
                    "peak MiB",
                ),
                [
                    (
                        f"{each.records:,}",
                        f"{timed.seconds:.2f}",
                        f"{each.starts[number].seconds:.2f}",
                        f"{each.zips[number].seconds:.2f}" if each.zips else "-",
                        f"{each.launches[number].seconds:.2f}",
                        f"{each.launches[number].peak_bytes / MIB:.1f}",
                    )
                    for each in packed
                    for number, timed in enumerate(each.ours)
                ],
            )
        ],
    )


def pack(bench: Workbench, *, tub: str, rounds: int) -> Packed:
    launches: List[Timed] = []
    ours: List[Timed] = []
    starts: List[Timed] = []
    zips: List[Timed] = []
    has_zip = shutil.which("zip") is not None
    for number in range(rounds):
        if has_zip and number % 2:
            zips.append(zip_tub(bench, tub))
        ours.append(pack_tub(bench, tub))
        starts.append(bench.run([bench.python, "-c", "import pack_tub"], cwd=HERE))
        if has_zip and number % 2 == 0:
            zips.append(zip_tub(bench, tub))
        launches.append(launch(bench, tub))
    return Packed(len(read_v2(tub).records), count_bytes(tub), launches, ours, starts, zips)


def pack_tub(bench: Workbench, tub: str) -> Timed:
    target = os.path.join(bench.folder, "shards")
    os.mkdir(target)
    try:
        return bench.run([bench.python, os.path.join(HERE, "pack_tub.py"), tub, target], cwd=bench.folder)
    finally:
        shutil.rmtree(target)


def launch(bench: Workbench, tub: str) -> Timed:
    """Packs and launches from a car with an empty bucket; the job itself is stopped at once."""
    car = bench.make_car()
    donkey_sagemaker = [bench.python, "-m", "donkey_sagemaker"]
    try:
        timed = bench.run(donkey_sagemaker + ["train", "--local", "--detach", "--tub", tub], cwd=car)
        wait_for_jobs(car)  # a job that has not quite begun cannot be stopped
        bench.run(donkey_sagemaker + ["stop", "--local"], cwd=car)
        return timed
    finally:
        bench.remove_car(car)


def zip_tub(bench: Workbench, tub: str) -> Timed:
    target = os.path.join(bench.folder, "tub.zip")
    try:
        command = ["zip", "-q", "-0", "-r", target, os.path.basename(tub)]
        return bench.run(command, cwd=os.path.dirname(tub))
    finally:
        if os.path.exists(target):
            os.remove(target)


def make_memory_row(packed: Packed) -> Row:
    peak_bytes = max(timed.peak_bytes for timed in packed.launches)
    return Row(
        what=f"peak memory of packing, {describe(packed)}",
        ours=f"{peak_bytes / MIB:.1f} MiB",
        theirs="-",
        ratio=None,
        target=f"under {PEAK_TARGET_BYTES / MIB:.0f} MiB",
        met=peak_bytes < PEAK_TARGET_BYTES,
        how=(
            f"The largest resident size, over {len(packed.launches)} runs, of the process of"
            " `donkey-sagemaker train --local --detach`, which packs, fills an empty local bucket and"
            " launches the job."
        ),
    )


def make_time_row(packed: Packed) -> Row:
    our_s = statistics.median(timed.seconds for timed in packed.ours)
    zip_s = statistics.median(timed.seconds for timed in packed.zips) if packed.zips else None
    return Row(
        what=f"time of packing, {describe(packed)}",
        ours=f"{our_s:.2f} s",
        theirs="no zip here" if zip_s is None else f"{zip_s:.2f} s (zip)",
        ratio=our_s / zip_s if zip_s else None,
        target=f"at most {ZIP_TARGET}",
        met=our_s <= ZIP_TARGET * zip_s if zip_s else None,
        how=(
            "A Python that checks every record and picture of the folder and packs it into files, from its "
            "start to its exit, alternating with `zip -q -0 -r` of the same folder, which checks nothing; "
            f"medians of {len(packed.ours)}."
        ),
    )


def make_start_row(packed: Packed) -> Row:
    return Row(
        what="of that, the start of Python",
        ours=f"{statistics.median(timed.seconds for timed in packed.starts):.3f} s",
        theirs="-",
        ratio=None,
        target="-",
        met=None,
        how=(
            "The same program with all that it imports, which then packs nothing; medians of"
            f" {len(packed.starts)}. `sagemaker-train` has long been started when it packs."
        ),
    )


def make_launch_row(packed: Packed) -> Row:
    return Row(
        what=f"time of packing and launching, {describe(packed)}",
        ours=f"{statistics.median(timed.seconds for timed in packed.launches):.2f} s",
        theirs="-",
        ratio=None,
        target="-",
        met=None,
        how=(
            "The whole of `donkey-sagemaker train --local --detach`, which also syncs every shard to the "
            f"disk; medians of {len(packed.launches)}."
        ),
    )


def describe(packed: Packed) -> str:
    return f"{packed.records:,} records of {packed.bytes / MIB:.0f} MiB"
