"""Which pilot a job trains: the one of the donkeycar that is installed here, or the plain one."""

import importlib.util
from typing import Any, Dict, Optional

from donkey_sagemaker.contract import CLASSIC_GENERATION, generation_of
from donkey_sagemaker.errors import BadInput

from .job import Job
from .pilot import NeedsDonkeycar, Pilot


class UnknownType(BadInput):
    def __init__(self, model_type: str, known: str) -> None:
        super().__init__(
            f"This donkeycar cannot train models of type {model_type!r}.",
            f"Choose one of {known} with --type or DEFAULT_MODEL_TYPE.",
        )


def new_pilot(job: Job) -> Pilot:
    """An untrained pilot for a job."""
    return make_pilot(job.model_type, job.config, donkeycar=job.car_versions.get("donkeycar"))


def make_pilot(model_type: str, config: Dict[str, Any], *, donkeycar: Optional[str] = None) -> Pilot:
    """The pilot of this type for a car.

    The donkeycar that is installed here makes it if that suits the car, and plain_pilot.py does otherwise.

    Args:
        donkeycar: the car's version; None for the one that is installed here.
    Raises:
        UnknownType, NeedsDonkeycar: the car has no such pilot, or it cannot be made here.
    """
    has_donkeycar = importlib.util.find_spec("donkeycar") is not None
    has_pipeline = has_donkeycar and importlib.util.find_spec("donkeycar.pipeline") is not None
    if donkeycar is None:
        is_classic = not has_pipeline
    else:
        is_classic = generation_of(donkeycar) == CLASSIC_GENERATION
    if has_donkeycar and is_classic != has_pipeline:
        if has_pipeline:
            from .pipeline_pilot import PipelinePilot as InstalledPilot
        else:
            from .classic_pilot import ClassicPilot as InstalledPilot  # type: ignore[assignment]
        if model_type not in InstalledPilot.types:
            raise UnknownType(model_type, ", ".join(InstalledPilot.types))
        return InstalledPilot(model_type, config)
    from .plain_pilot import CLASSIC, MODERN, PlainPilot

    designs = CLASSIC if is_classic else MODERN
    if model_type not in designs:
        alternative = f", or choose --type {', '.join(designs)}"
        raise NeedsDonkeycar(f"make {model_type} models for this car", alternative=alternative)
    return PlainPilot(model_type, config, designs)
