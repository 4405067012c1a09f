"""After the check: whether the new model has learned to steer, and how it compares with the previous one."""

from typing import List, NamedTuple, Optional, Tuple

from ..car.archive import Artifact, ModelFile
from ..car.car import Car
from ..car.comparison import NotCompared, compare_with
from ..car.job import Plan
from ..car.quality import Comparison, read_validation
from ..car.runtime import bare_type, find_runtime_or_none, why_not_checked
from ..ui import PlainUi
from .install import existing_models


class Verdict(NamedTuple):
    flaw: Optional[str]  # why the car is better off without the model, as a clause; None if it is not
    rows: List[Tuple[str, str]]  # for the report
    comparison: Optional[Comparison] = None  # with the model that it would replace

    def rows_for_report(self, is_kept_aside: bool) -> List[Tuple[str, str]]:
        return [*self.rows, ("kept aside", f"because {self.flaw}")] if is_kept_aside else self.rows


def judge(car: Car, ui: PlainUi, plan: Plan, artifact: Artifact, *, archive_path: str) -> Verdict:
    """Prints how the model steers, alone and compared with the model that it would replace."""
    flaw, steering = judge_alone(artifact)
    ui.print(f"Steering: {steering}")
    rows = [("steering", steering)]
    existing = existing_models(plan)
    if not existing:
        return Verdict(flaw, rows)
    name = car.display(existing[0].path)
    comparison = None
    try:
        comparison = compare_with(
            choose_drivable(car, existing),
            car,
            artifact,
            model_type=bare_type(plan.model_type),
            archive_path=archive_path,
        )
    except NotCompared as error:
        compared = f"not compared: {error}"
    else:
        compared = describe_comparison(comparison)
        if comparison.is_clearly_worse:
            flaw = flaw or f"it steers clearly worse than {name} ({describe_errors(comparison)})"
    ui.print(f"Compared with {name}: {compared}")
    return Verdict(flaw, [*rows, (f"compared with {name}", compared)], comparison)


def judge_alone(artifact: Artifact) -> Tuple[Optional[str], str]:
    """(why it is of no use, or None; how it steers, in words)."""
    validation = read_validation(artifact.validation)
    if validation is None:
        return None, "not judged: the image that trained the model leaves no validation results"
    reason = validation.why_not_judged()
    if reason:
        return None, f"not judged: {reason}"
    return validation.why_dead(), (
        f"off by {validation.error:.3f} on average on {validation.pictures} validation pictures; the best"
        f" constant is off by {validation.constant_error:.3f}"
    )


def choose_drivable(car: Car, existing: List[ModelFile]) -> ModelFile:
    """The first of the previous model's files that this Python can drive.

    Raises:
        NotCompared: there is none.
    """
    here = find_runtime_or_none()
    reasons = [why_not_checked(model.format, car=car.runtime, here=here) for model in existing]
    drivable = [model for model, reason in zip(existing, reasons) if reason is None]
    if not drivable:
        raise NotCompared(str(reasons[0]))
    return drivable[0]


def describe_comparison(comparison: Comparison) -> str:
    result = "they steer about equally well"
    if comparison.is_clearly_better:
        result = "the new model is better"
    elif comparison.is_clearly_worse:
        result = "the previous model is better"
    elif not comparison.is_fair:
        result = "the previous model may have been trained on these pictures, so this decides nothing"
    return f"{describe_errors(comparison)}: {result}"


def describe_errors(comparison: Comparison) -> str:
    return (
        f"on {comparison.pictures} validation pictures the new model's steering is off by"
        f" {comparison.error:.3f} on average, the previous one's by {comparison.previous_error:.3f}"
    )
