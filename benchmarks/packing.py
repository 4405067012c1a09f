"""Memory and time of what the car does before the job runs: read and pack the tub, fill the bucket."""

import os
import shutil
import statistics
from typing import List, NamedTuple, Sequence

from report import MIB, Comparison, Measured, Row, SingleRuns, Topic, make_row
from tubs import count_bytes, read_v2, repeat_tub
from workbench import HERE, Timed, Workbench, wait_for_jobs

TIMES = 10
PEAK_TARGET_BYTES = 100 * MIB
ZIP_TARGET = 1.25  # 0.8 of its speed
TOPIC = Topic(
    "Packing a tub",
    "A tub and the same tub ten times over, packed by our code and by `zip -q -0 -r` in turn. Ours "
    "checks every record and picture; zip checks nothing.",
)
METHODS = {
    "Peak memory of packing": "The largest resident size of `donkey-sagemaker train --local --detach`, which "
    "packs, fills an empty local bucket and launches the job.",
    "Time to pack": "Medians, from the start of Python to its exit.",
    "Start of Python": "Medians of the same program with all its imports, packing nothing. `sagemaker-train` "
    "is already running when it packs.",
    "Time to pack and launch": "Medians of the whole `donkey-sagemaker train --local --detach`, which also "
    "syncs every shard to the disk.",
}


class Packed(NamedTuple):
    records: int
    bytes: int
    launches: List[Timed]
    ours: List[Timed]
    starts: List[Timed]  # of the same program, packing nothing
    zips: List[Timed]  # empty if this machine has no zip

    @property
    def tub(self) -> str:
        return f"{self.records:,} records of {self.bytes / MIB:.0f} MiB"


def measure(bench: Workbench, *, tub: str, rounds: int) -> Measured:
    longer = os.path.join(bench.folder, "longer", "tub")
    repeat_tub(tub, longer, records=TIMES * len(read_v2(tub).records))
    try:
        packed = [pack(bench, tub=path, rounds=rounds) for path in (tub, longer)]
    finally:
        shutil.rmtree(os.path.dirname(longer))
    rows = (
        [make_memory_row(each) for each in packed],
        [make_time_row(each) for each in packed],
        [make_plain_row("imports alone", packed[0].starts, show="{:.3f} s")],
        [make_plain_row(each.tub, each.launches, show="{:.2f} s") for each in packed],
    )
    lines = [
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
    ]
    head = (
        "records",
        "seconds, ours",
        "start of Python",
        "seconds, zip",
        "seconds with the launch",
        "peak MiB",
    )
    return Measured(
        TOPIC,
        [Comparison(title, method, part) for (title, method), part in zip(METHODS.items(), rows)],
        [SingleRuns("Packing", head, lines)],
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
    """Packs and launches from a car with an empty bucket, then stops the job."""
    car = bench.make_car()
    donkey_sagemaker = [bench.python, "-m", "donkey_sagemaker"]
    try:
        timed = bench.run(donkey_sagemaker + ["train", "--local", "--detach", "--tub", tub], cwd=car)
        wait_for_jobs(car)  # a job cannot be stopped before it has started
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
    return make_row(
        packed.tub,
        peak_bytes / MIB,
        show="{:.1f} MiB",
        target=f"under {PEAK_TARGET_BYTES / MIB:.0f} MiB",
        met=peak_bytes < PEAK_TARGET_BYTES,
        runs=len(packed.launches),
    )


def make_time_row(packed: Packed) -> Row:
    our_s = median_s(packed.ours)
    zip_s = median_s(packed.zips) if packed.zips else None
    return make_row(
        packed.tub,
        our_s,
        zip_s,
        show="{:.2f} s",
        other="zip",
        target=f"at most {ZIP_TARGET}",
        met=our_s <= ZIP_TARGET * zip_s if zip_s else None,
        runs=len(packed.ours),
    )


def make_plain_row(what: str, runs: Sequence[Timed], *, show: str) -> Row:
    """Without anything to compare it with."""
    return make_row(what, median_s(runs), show=show, runs=len(runs))


def median_s(runs: Sequence[Timed]) -> float:
    return statistics.median(timed.seconds for timed in runs)
