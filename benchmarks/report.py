"""The rows of the benchmark, the machine they were measured on, and the page that holds both."""

import json
import os
import platform
import re
import subprocess
from typing import Dict, List, NamedTuple, Optional, Sequence

from donkey_sagemaker.atomic import write_json

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


class Run(NamedTuple):
    """One measurement: ours and theirs in turns, in one process of the benchmark."""

    name: str
    began: str
    command: str
    machine: Dict[str, str]
    measured: Measured


def save_run(run: Run, folder: str) -> None:
    measured = {
        "rows": [row._asdict() for row in run.measured.rows],
        "details": [details._asdict() for details in run.measured.details],
    }
    os.makedirs(folder, exist_ok=True)
    write_json(os.path.join(folder, run.name + ".json"), dict(run._asdict(), measured=measured))


def load_runs(folder: str) -> List[Run]:
    """All that are there, by name."""
    runs = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            values = json.load(file)
        rows = [Row(**row) for row in values["measured"]["rows"]]
        details = [Details(**each) for each in values["measured"]["details"]]
        runs.append(Run(**dict(values, measured=Measured(rows, details))))
    return runs


def make_page(runs: Sequence[Run], *, title: str) -> str:
    """All of it as Markdown."""
    rows = [(run, row) for run in runs for row in run.measured.rows]
    parts = [
        "# " + title,
        "Written by benchmarks/run.py. In each row both sides took turns, in the run that it names.",
        make_table(
            ("measured", "ours", "theirs", "ours / theirs", "target", "met", "run"),
            [
                (
                    row.what,
                    row.ours,
                    row.theirs,
                    "-" if row.ratio is None else f"{row.ratio:.2f}",
                    row.target,
                    {True: "yes", False: "**no**", None: "-"}[row.met],
                    run.name,
                )
                for run, row in rows
            ],
        ),
        "## Runs",
    ]
    names = list(dict.fromkeys(name for run in runs for name in run.machine))
    parts.append(
        make_table(
            ("run", "begun", "command", *names),
            [
                (
                    run.name,
                    run.began,
                    f"`{run.command}`",
                    *(run.machine.get(name, "") for name in names),
                )
                for run in runs
            ],
        )
    )
    rows_by_how: Dict[str, List[str]] = {}
    for _, row in rows:
        rows_by_how.setdefault(row.how, []).append(row.what)
    parts.append("## How")
    parts.append(
        "\n".join("- **{}**: {}".format("; ".join(whats), how) for how, whats in rows_by_how.items())
    )
    for run in runs:
        for details in run.measured.details:
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
        "CPU": f"{_cpu_model()}, {cores} cores",
        "memory": f"{memory_bytes / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load average at the start": f"{os.getloadavg()[0]:.1f} (1 minute)",
    }
    gpu = _answer(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    if gpu:
        described["GPU, driver"] = gpu.splitlines()[0]
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
    return f"(commit {name})" if name else ""


def _answer(command: List[str]) -> str:
    try:
        asked = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True
        )
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
