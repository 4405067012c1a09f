"""sagemaker-tubs: reviews the recorded driving, and deletes records on request."""

import argparse
import json
import os
from typing import TYPE_CHECKING, Any, Dict, List, Set

from .. import atomic
from ..car.car import Car, open_car
from ..errors import BadInput
from ..interrupts import deferred_interrupts
from ..training.plan import read_tubs
from ..tubs.reader import Tub
from ..ui import PlainUi, make_ui
from ._options import add_myconfig_option, add_tub_option, named_tubs

if TYPE_CHECKING:  # they need NumPy, which takes a second to import on a Pi
    from ..review.review import Reviewed

HELP = (
    "Reviews the recorded driving before you pay for a training: finds what would spoil a model, and writes "
    "tubs.html with pictures of it. Records are marked as deleted only if you ask for it."
)
PAGE_NAME = "tubs.html"


class NoNumPy(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "The review needs NumPy and Pillow, and this Python does not have both of them.",
            "Install them: `python -m pip install numpy pillow`",
        )


class NothingToReview(BadInput):
    def __init__(self, paths: List[str]) -> None:
        super().__init__(
            f"There is no record with a readable picture in {', '.join(paths)}.",
            "Choose a tub with good records: --tub=PATH.",
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    add_tub_option(parser)
    parser.add_argument("--json", action="store_true", help="print what was found as JSON, and write no page")
    change = parser.add_mutually_exclusive_group()
    change.add_argument(
        "--delete",
        metavar="WHAT",
        help="mark records as deleted: ranges of their index (120-180,900-) or what was found (still,stuck)",
    )
    change.add_argument("--restore", action="store_true", help="undo the last deletion")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    add_myconfig_option(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_car(car_path, flags={}, myconfig=arguments.myconfig)
    if arguments.restore:
        restore(car, ui, named_tubs(arguments))
    elif arguments.delete is not None:
        delete(car, ui, named_tubs(arguments), arguments.delete, yes=arguments.yes)
    else:
        show(car, ui, read_tubs(car, named_tubs(arguments)), as_json=arguments.json)
    return 0


def show(car: Car, ui: PlainUi, tubs: Dict[str, Tub], *, as_json: bool) -> None:
    """Prints what was found and writes the page.

    Raises:
        NoNumPy, NothingToReview
    """
    reviewed = review(car, ui, tubs)
    if as_json:
        ui.print_exactly(json.dumps(describe(reviewed), indent=1))
        return
    from ..review.table import make_lines
    from ..review.tubs_page import make_tubs_page

    for line in make_lines(reviewed, display=car.display):
        ui.print(line)
    path = os.path.join(car.path, PAGE_NAME)
    atomic.write_text(path, make_tubs_page(car.name, reviewed, display=car.display))
    ui.print(f"The pictures are in {car.display(path)}")


def review(car: Car, ui: PlainUi, tubs: Dict[str, Tub]) -> "List[Reviewed]":
    """
    Raises:
        NoNumPy, NothingToReview
    """
    try:
        from ..review.review import review_tubs
    except ImportError as error:
        raise NoNumPy() from error
    with ui.bar("Reviewing records", sum(tub.estimate_records() for tub in tubs.values())) as advance:
        reviewed = list(review_tubs(tubs, advance=advance))
    if not reviewed:
        raise NothingToReview([car.display(path) for path in tubs])
    return reviewed


def describe(reviewed: "List[Reviewed]") -> Dict[str, Any]:
    """What --json prints."""
    from ..review.kinds import KINDS

    tubs: Dict[str, Any] = {}
    for piece in reviewed:
        tub = tubs.setdefault(piece.path, {"tub": piece.path, "records": 0, "findings": []})
        tub["records"] += piece.records
        for finding in piece.findings:
            kind = KINDS[finding.kind]
            tub["findings"].append(
                {
                    "kind": finding.kind,
                    "what": kind.title,
                    "ranges": finding.ranges,
                    "records": finding.records,
                    "confidence": finding.confidence,
                    "evidence": finding.evidence,
                    "effect": kind.effect,
                    "to_do": kind.advice,
                }
            )
    return {"tubs": list(tubs.values())}


def delete(car: Car, ui: PlainUi, named: Any, what: str, *, yes: bool) -> None:
    """Shows which records would be deleted, asks, and marks them.

    Args:
        named: as given with --tub.
    Raises:
        BadInput
    """
    from ..review.choice import Chosen, choose_records
    from ..review.deletions import delete_records
    from ..review.kinds import KINDS
    from ..review.ranges import format_ranges, make_ranges

    chosen = Chosen(what, kinds=list(KINDS))
    tubs = read_tubs(car, named)

    def find() -> Dict[str, Set[int]]:
        found: Dict[str, Set[int]] = {}
        for piece in review(car, ui, tubs):
            for finding in piece.findings:
                if finding.kind in chosen.kinds:
                    found.setdefault(piece.path, set()).update(finding.indexes)
        return found

    wanted = choose_records(chosen, tubs, find=find, display=car.display)
    for path, indexes in wanted.items():
        ranges = format_ranges(make_ranges(indexes, bridges=tubs[path].deleted_indexes), most=12)
        ui.print(f"{car.display(path)}: {len(indexes)} records to delete: {ranges}")
    if not yes and not ui.ask("Mark them as deleted? No file is removed."):
        ui.print("Nothing was changed. Add --yes to delete them without being asked.")
        return
    with car.lock("sagemaker-tubs", on_wait=lambda holder: ui.print(f"Waiting for {holder} to finish")):
        tubs = read_tubs(car, named)  # again: more may have been recorded while the question was open
        with deferred_interrupts():
            for path, indexes in wanted.items():
                delete_records(path, tubs[path], indexes)
    ui.print("Deleted. `python manage.py sagemaker-tubs --restore` undoes this.")


def restore(car: Car, ui: PlainUi, named: Any) -> None:
    """Undoes the last deletion in each of the tubs.

    Raises:
        NothingToRestore, ManifestUnusable, UndoDamaged
    """
    from ..review.deletions import NothingToRestore, restore_records

    with car.lock("sagemaker-tubs", on_wait=lambda holder: ui.print(f"Waiting for {holder} to finish")):
        tubs = read_tubs(car, named)
        with deferred_interrupts():
            restored = {path: restore_records(path, tub) for path, tub in tubs.items()}
    if all(count is None for count in restored.values()):
        raise NothingToRestore([car.display(path) for path in tubs])
    for path, count in restored.items():
        if count is not None:
            ui.print(f"{car.display(path)}: {count} records restored")
