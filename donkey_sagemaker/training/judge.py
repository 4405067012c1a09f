"""After the check: whether the new model has learned to steer, and how it compares with the previous one."""

from typing import List, NamedTuple, Optional, Sequence, Tuple

from ..car.archive import Artifact, ModelFile
from ..car.car import Car
from ..car.check import Checked
from ..car.comparison import NotCompared, compare_with
from ..car.driving_process import DrivingProcess
from ..car.job import Plan
from ..car.runtime import bare_type, find_runtime_or_none, why_not_checked
from ..quality import Comparison, Validation
from ..ui import PlainUi
from ..verdict import Verdict, describe_errors, find_flaw, make_verdict, read_facts, why_unknown
from .check import loop_ms
from .install import existing_models


class Judgement(NamedTuple):
    verdict: Verdict
    flaw: Optional[str]  # why the car is better off without the model, as a clause; None if it is not
    rows: List[Tuple[str, str]]  # for the report
    steering_error: Optional[float]  # on validation pictures; None where it was not measured
    comparison: Optional[Comparison]  # with the model that it would replace

    def rows_for_report(self, is_kept_aside: bool) -> List[Tuple[str, str]]:
        return [*self.rows, ("kept aside", f"because {self.flaw}")] if is_kept_aside else self.rows


def judge(
    car: Car,
    ui: PlainUi,
    plan: Plan,
    artifact: Artifact,
    *,
    archive_path: str,
    driving: DrivingProcess,
    checked: Sequence[Checked] = (),
) -> Judgement:
    """Prints how the model steers, alone and compared with the model that it would replace.

    Args:
        driving: the process to drive the previous model in.
        checked: the formats that this machine has driven.
    """
    facts = read_facts(artifact._asdict())
    if checked and not car.settings.car:
        facts = facts._replace(
            ms=min(each.ms for each in checked), limit_ms=loop_ms(car.config.get("DRIVE_LOOP_HZ"))
        )
    steering = describe_steering(facts.validation)
    ui.print(f"Steering: {steering}")
    rows = [("steering", steering)]
    existing = existing_models(plan)
    if existing:
        name = car.display(existing[0].path)
        try:
            comparison = compare_with(
                choose_drivable(car, existing),
                car,
                artifact,
                model_type=bare_type(plan.model_type),
                archive_path=archive_path,
                driving=driving,
            )
        except NotCompared as error:
            compared = f"not compared: {error}"
        else:
            compared = describe_comparison(comparison)
            facts = facts._replace(comparison=comparison, previous=name)
        ui.print(f"Compared with {name}: {compared}")
        rows.append((f"compared with {name}", compared))
    steering_error = facts.validation.error if facts.validation else None
    return Judgement(make_verdict(facts), find_flaw(facts), rows, steering_error, facts.comparison)


def report_verdict(ui: PlainUi, verdict: Verdict) -> None:
    ui.print(f"Verdict: {verdict.level}. {verdict.sentence}")
    ui.print(f"Next: {verdict.advice}")


def describe_steering(validation: Optional[Validation]) -> str:
    reason = why_unknown(validation)
    if validation is None or reason:
        return f"not judged: {reason}"
    return (
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
    result = describe_result(comparison, new="the new model", previous="the previous model")
    return f"{describe_errors(comparison)}: {result}"


def describe_result(comparison: Comparison, *, new: str, previous: str) -> str:
    """
    Args:
        new, previous: what the models are called.
    """
    if comparison.is_clearly_better:
        return f"{new} is better"
    if comparison.is_clearly_worse:
        return f"{previous} is better"
    if not comparison.is_fair:
        return f"{previous} may have been trained on these pictures, so this decides nothing"
    return "they steer about equally well"
