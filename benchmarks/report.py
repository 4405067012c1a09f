"""The results of the benchmark, their JSON files, and the Markdown page made from them."""

import json
import os
import re
from collections import Counter
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from donkey_sagemaker.atomic import write_json, write_text

MIB = 2**20
MOST_LINES = 5  # of one comparison in the summary; a longer one is summed up in one line
# The topics of the page, most important first, by how the names of their runs begin
ORDER = (
    "training-linear",
    "training-augmented",
    "training-small",
    "training",
    "old-car",
    "steps",
    "feeding",
    "growth",
    "memory",
    "streaming",
    "packing",
    "upload",
    "startup",
    "kernels",
)
FEATURES = "CPU features"  # of the machine
HEAD = ("ours", "theirs", "ratio", "target", "met")

INTRODUCTION = """\
How donkey-sagemaker compares with donkeycar's own `donkey train`, with `zip` and with AWS's command line.
For owners who want to know how long things take, and for developers who change them.

`{command}` writes this page. In each row, both sides took turns in the same run on the
same machine. "Theirs" is `donkey train` unless the cell names another program. The ratio is ours divided by
theirs. The JSON files in [{folder}]({folder}) list every single run.

[RESULTS.md](RESULTS.md) is about a CPU, [GPU.md](GPU.md) about a GPU, and
[CONTAINER_START.md](CONTAINER_START.md) about the start of a training container."""


class Row(NamedTuple):
    """One case: both sides, as text."""

    what: str
    ours: str
    theirs: str
    ratio: Optional[float]  # ours / theirs
    target: str
    met: Optional[bool]  # None without a target, or with too few runs to judge
    runs: int  # of each side


class Comparison(NamedTuple):
    """One quantity in one or more cases."""

    title: str
    method: str  # one sentence on how it was measured
    rows: List[Row]


class Topic(NamedTuple):
    """One section of the page."""

    title: str
    method: str  # one or two sentences


class SingleRuns(NamedTuple):
    """A table of the single runs, for the JSON file only."""

    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]


class Measured(NamedTuple):
    topic: Topic
    comparisons: List[Comparison]
    single_runs: List[SingleRuns]


class Run(NamedTuple):
    """One measurement: both sides taking turns, in one process of the benchmark."""

    name: str
    began: str
    command: str
    machine: Dict[str, str]
    measured: Measured


def make_row(
    what: str,
    ours: float,
    theirs: Optional[float] = None,
    *,
    show: str,
    runs: int,
    other: str = "",
    target: str = "-",
    met: Optional[bool] = None,
) -> Row:
    """The row of two numbers.

    Args:
        show: a format for one of them, for example "{:.1f} s".
        other: the program that `theirs` belongs to, unless it is `donkey train`.
    """
    shown = "-" if theirs is None else show.format(theirs)
    return Row(
        what=what,
        ours=show.format(ours),
        theirs=f"{shown} ({other})" if other and theirs is not None else shown,
        ratio=None if theirs is None else ours / theirs,
        target=target,
        met=met,
        runs=runs,
    )


# -- files -------------------------------------------------------------------------------------------------


def save_run(run: Run, folder: str) -> None:
    """In a file of its own for each kind of CPU."""
    os.makedirs(folder, exist_ok=True)
    kind = re.sub(r"\W+", "-", run.machine.get(FEATURES, "").lower())
    write_json(os.path.join(folder, f"{run.name}.{kind}.json" if kind else f"{run.name}.json"), _as_json(run))


def load_runs(folder: str) -> List[Run]:
    """All runs in a folder, by name."""
    runs = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            values = json.load(file)
        measured = values["measured"]
        comparisons = [
            Comparison(each["title"], each["method"], [Row(**row) for row in each["rows"]])
            for each in measured["comparisons"]
        ]
        single_runs = [SingleRuns(**each) for each in measured["single_runs"]]
        values["measured"] = Measured(Topic(**measured["topic"]), comparisons, single_runs)
        runs.append(Run(**values))
    return runs


def _as_json(value: Any) -> Any:
    """Named tuples as objects, all the way down."""
    if hasattr(value, "_asdict"):
        return {name: _as_json(each) for name, each in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(each) for each in value]
    return value


# -- the page ----------------------------------------------------------------------------------------------


def make_page(runs: Sequence[Run], *, title: str, command: str, folder: str) -> str:
    """The results as Markdown: a summary, a section for each topic, and the machine."""
    topics = _group_by_topic(runs)
    parts = ["# " + title, INTRODUCTION.format(command=command, folder=folder), "## Summary"]
    summary = [line for _, comparisons in topics for each in comparisons for line in _sum_up(each)]
    parts += [_count_targets(topics), make_table(["what", *HEAD], summary)]
    for topic, comparisons in topics:
        parts += ["## " + topic.title, topic.method]
        for each in comparisons:
            parts.append(f"**{each.title}.** {each.method}")
            lines = [[row.what, *_cells(row), str(row.runs)] for row in each.rows]
            parts.append(make_table(["case", *HEAD, "runs"], lines))
    return "\n\n".join(parts + _describe_runs(runs)) + "\n"


def make_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]

    def format_line(line: Sequence[str]) -> str:
        return "| {} |".format(" | ".join(f"{text:<{width}}" for text, width in zip(line, widths)))

    rule = "|{}|".format("|".join("-" * (width + 2) for width in widths))
    return "\n".join([format_line(head), rule] + [format_line(line) for line in lines])


def write_block(page: str, block: str, *, begin: str, end: str) -> None:
    """Replaces what stands between two lines of a page."""
    with open(page, encoding="utf-8") as file:
        before, rest = file.read().split(begin)
    write_text(page, before + begin + "\n" + block + "\n" + end + rest.split(end)[1])


def _group_by_topic(runs: Sequence[Run]) -> List[Tuple[Topic, List[Comparison]]]:
    """The topics in their order, each with its comparisons. Runs of the same topic are merged.

    A measurement that was repeated on another kind of CPU has the CPU's features in its rows.
    """
    names = Counter(run.name for run in runs)

    def place(run: Run) -> int:
        return next((i for i, name in enumerate(ORDER) if run.name.startswith(name)), len(ORDER))

    def name_cpu(run: Run, row: Row) -> Row:
        features = run.machine.get(FEATURES, "an unknown CPU")
        return row._replace(what=f"{row.what}, {features}") if names[run.name] > 1 else row

    topics: Dict[str, Topic] = {}
    comparisons: Dict[str, Dict[str, Comparison]] = {}
    for run in sorted(runs, key=place):
        topic = topics.setdefault(run.measured.topic.title, run.measured.topic)
        by_title = comparisons.setdefault(topic.title, {})
        for each in run.measured.comparisons:
            by_title.setdefault(each.title, each._replace(rows=[])).rows.extend(
                name_cpu(run, row) for row in each.rows
            )
    return [(topic, list(comparisons[title].values())) for title, topic in topics.items()]


def _count_targets(topics: Sequence[Tuple[Topic, List[Comparison]]]) -> str:
    cases = [(each.title, row) for _, comparisons in topics for each in comparisons for row in each.rows]
    judged = [(title, row) for title, row in cases if row.met is not None]
    missed = [f"{title}, {row.what}" for title, row in judged if not row.met]
    text = f"{len(judged) - len(missed)} of {len(judged)} targets are met."
    return f"{text} Not met: {'; '.join(missed)}." if missed else text


def _sum_up(comparison: Comparison) -> List[List[str]]:
    """The summary's lines: a case each, or one for all of them. Cases without a target are left out."""
    rows = [row for row in comparison.rows if row.target != "-"]
    if len(rows) <= MOST_LINES:
        return [[f"{comparison.title}: {row.what}", *_cells(row)] for row in rows]
    return [
        [
            f"{comparison.title}: {len(rows)} cases",
            _range([row.ours for row in rows]),
            _range([row.theirs for row in rows]),
            _range([_show_ratio(row.ratio) for row in rows]),
            "; ".join(dict.fromkeys(row.target for row in rows)),
            f"{sum(bool(row.met) for row in rows)} of {len(rows)}",
        ]
    ]


def _cells(row: Row) -> List[str]:
    met = {True: "yes", False: "**no**", None: "-"}[row.met]
    return [row.ours, row.theirs, _show_ratio(row.ratio), row.target, met]


def _show_ratio(ratio: Optional[float]) -> str:
    if ratio is None:
        return "-"
    return f"{ratio:.2f}" if ratio >= 0.01 else f"{ratio:.1g}"


def _range(texts: Sequence[str]) -> str:
    def number(text: str) -> float:
        found = re.match(r"[\d.,]+", text)
        return float(found.group().replace(",", "")) if found else 0.0

    return f"{min(texts, key=number)} to {max(texts, key=number)}"


def _describe_runs(runs: Sequence[Run]) -> List[str]:
    """What all runs have in common once, and the rest in a line for each run."""
    names = list(dict.fromkeys(name for run in runs for name in run.machine))
    values = {name: [run.machine.get(name, "") for run in runs] for name in names}
    common = [[name, values[name][0]] for name in names if len(set(values[name])) == 1]
    own = [name for name in names if len(set(values[name])) > 1]
    lines = [
        [run.name, run.began, f"`{run.command}`", *(run.machine.get(name, "") for name in own)]
        for run in runs
    ]
    return [
        "## Machine and runs",
        make_table(("machine", ""), common),
        make_table(["run", "started", "command", *own], lines),
    ]
