"""One face for the pilots of every donkeycar generation; donkeycar's own code stays the source of truth.

A pilot here is what both adapters offer:

    types            the model types that it knows
    keras            the Keras module that this generation uses
    net              the Keras model
    picture_shape    (height, width, depth) of one picture
    picture_inputs   names of the inputs that are pictures
    picture_divisor  pixels are divided by this on their way into the net
    sequence_length  records an example spans, 0 for one
    prepare(picture)     what is done to a picture once, before the first epoch; None: nothing
    augment, finish      what is done to pictures each time they are fed, in training and in validation:
                         called with pictures and a seed, it changes them in place; None: nothing
    show(picture)        a prepared picture as the car's own net sees it
    drive_inputs(inputs) names of the inputs that the car hands over beside the picture
    keep(record)         TRAIN_FILTER's word
    example(records, picture_numbers) -> inputs, targets     picture inputs hold numbers in place of pixels
    compile()            with donkeycar's losses and weights
    rewind()             forgets the drive so far, as a pilot that was just loaded
    drive(picture, others) -> raw outputs of the net, commands of the pilot
    decide(raw)          commands of the pilot, of the net's outputs for one example
    load(path)
    training_config      what a file says of the training, for a car that goes on from it; donkeycar 2 only
"""

import importlib.util
from typing import Any, Dict, Optional

from donkey_sagemaker.contract import CLASSIC_GENERATION, generation_of
from donkey_sagemaker.errors import BadInput


class UnknownType(BadInput):
    def __init__(self, model_type: str, known: str) -> None:
        super().__init__(
            f"This donkeycar does not train models of type {model_type!r}.",
            f"Choose one of {known} with --type or DEFAULT_MODEL_TYPE.",
        )


class TypeElsewhere(BadInput):
    def __init__(self, model_type: str, known: str) -> None:
        super().__init__(
            f"The training environment has no donkeycar that makes {model_type} models for this car.",
            "Train in an environment of the car's own donkeycar (SAGEMAKER_IMAGE, SAGEMAKER_PYTHON), "
            f"or choose --type {known}.",
        )


def make_pilot(model_type: str, config: Dict[str, Any], *, donkeycar: Optional[str] = None) -> Any:
    """The pilot of this type for a car.

    Made by the donkeycar that is installed here where that is of the car's kind, else written down by us.

    Args:
        donkeycar: version of the car's; None for the one that is installed here.
    Raises:
        UnknownType, TypeElsewhere: such a car has no such pilot, or it cannot be made here.
    """
    has_donkeycar = importlib.util.find_spec("donkeycar") is not None
    has_pipeline = has_donkeycar and importlib.util.find_spec("donkeycar.pipeline") is not None
    if donkeycar is None:
        is_classic = not has_pipeline
    else:
        is_classic = generation_of(donkeycar) == CLASSIC_GENERATION
    if has_donkeycar and is_classic != has_pipeline:
        if has_pipeline:
            from .pipeline_pilot import PipelinePilot as Pilot
        else:
            from .classic_pilot import ClassicPilot as Pilot  # type: ignore[assignment]
        if model_type not in Pilot.types:
            raise UnknownType(model_type, ", ".join(Pilot.types))
        return Pilot(model_type, config)
    from .plain_pilot import CLASSIC, MODERN, PlainPilot

    designs = CLASSIC if is_classic else MODERN
    if model_type not in designs:
        raise TypeElsewhere(model_type, ", ".join(designs))
    return PlainPilot(model_type, config, designs)
