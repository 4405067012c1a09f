"""The rows of the benchmark, the machine they were measured on, and the page that holds both."""

import datetime
import os
import platform
import re
import subprocess
from typing import Dict, List, NamedTuple, Optional, Sequence

MIB = 2**20


class Row(NamedTuple):
    """One line of the table, and one sentence on how it was measured."""

    what: str
    ours: str
    theirs: str
    ratio: Optional[float]  # ours / theirs
    target: str
    met: Optional[bool]  # None where there is no target, or too little to tell
    how: str


class Details(NamedTuple):
    """A further table, of the single runs."""

    title: str
    head: Sequence[str]
    lines: List[Sequence[str]]


class Measured(NamedTuple):
    rows: List[Row]
    details: List[Details]


def make_page(measured: Measured, *, command: str, machine: Dict[str, str], began: datetime.datetime) -> str:
    """All of it as Markdown."""
    parts = [
        "# Benchmarks",
        "Written by `{}`, begun on {:%Y-%m-%d at %H:%M} UTC. Every number is of that one run.".format(
            command, began
        ),
        make_table(("machine", ""), list(machine.items())),
        make_table(
            ("measured", "ours", "theirs", "ours / theirs", "target", "met"),
            [
                (
                    row.what,
                    row.ours,
                    row.theirs,
                    "-" if row.ratio is None else "{:.2f}".format(row.ratio),
                    row.target,
                    {True: "yes", False: "**no**", None: "-"}[row.met],
                )
                for row in measured.rows
            ],
        ),
    ]
    parts.append("## How")
    parts.append("\n".join("- **{}**: {}".format(row.what, row.how) for row in measured.rows))
    for details in measured.details:
        parts += ["## " + details.title, make_table(details.head, details.lines)]
    return "\n\n".join(parts) + "\n"


def make_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]

    def format_line(line: Sequence[str]) -> str:
        cells = ("{:<{}}".format(text, width) for text, width in zip(line, widths))
        return "| {} |".format(" | ".join(cells))

    rule = "|{}|".format("|".join("-" * (width + 2) for width in widths))
    return "\n".join([format_line(head), rule] + [format_line(line) for line in lines])


def describe_machine(versions: Dict[str, str], *, repo: str) -> Dict[str, str]:
    """What the numbers depend on, in words."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    described = {
        "CPU": "{}, {} cores".format(_cpu_model(), cores),
        "memory": "{:.1f} GiB".format(memory_bytes / 2**30),
        "system": "{} {} {}".format(platform.system(), platform.release(), platform.machine()),
        "load average at the start": "{:.1f} (1 minute)".format(os.getloadavg()[0]),
    }
    described.update(versions)
    described["donkey-sagemaker"] = "{} {}".format(
        described.get("donkey-sagemaker", ""), _commit(repo)
    ).strip()
    return described


def _cpu_model() -> str:
    if platform.system() == "Darwin":
        return _answer(["sysctl", "-n", "machdep.cpu.brand_string"]) or platform.processor()
    try:
        with open("/proc/cpuinfo") as file:
            model = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", file.read(), re.MULTILINE)
    except OSError:
        model = None
    return model.group(1) if model else platform.processor() or platform.machine()


def _commit(repo: str) -> str:
    name = _answer(["git", "-C", repo, "describe", "--always", "--dirty"])
    return "(commit {})".format(name) if name else ""


def _answer(command: List[str]) -> str:
    try:
        asked = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True
        )
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
