"""One face for the pilots of every donkeycar generation; donkeycar's own code stays the source of truth.

A pilot here is what both adapters offer:

    types            the model types that it knows
    keras            the Keras module that this generation uses
    net              the Keras model
    picture_shape    (height, width, depth) of one picture
    picture_inputs   names of the inputs that are pictures
    picture_scale    pixels are multiplied by this on their way into the net
    sequence_length  records an example spans, 0 for one
    prepare(picture)     what is done to a picture once, before the first epoch
    augment, finish      what is done to it each time it is fed, in training and in validation; None: nothing
    show(picture)        a prepared picture as the car's own net sees it
    drive_inputs(inputs) names of the inputs that the car hands over beside the picture
    keep(record)         TRAIN_FILTER's word
    example(records, picture_numbers) -> inputs, targets     picture inputs hold numbers in place of pixels
    compile()            with donkeycar's losses and weights
    drive(picture, others) -> raw outputs of the net, commands of the pilot
    decide(raw)          commands of the pilot, of the net's outputs for one example
    load(path)
"""

import importlib.util
from typing import Any, Dict

from donkey_sagemaker.errors import BadInput


class UnknownType(BadInput):
    def __init__(self, model_type: str, known: str) -> None:
        super().__init__(
            "This donkeycar does not train models of type {!r}.".format(model_type),
            "Choose one of {} with --type or DEFAULT_MODEL_TYPE.".format(known),
        )


def make_pilot(model_type: str, config: Dict[str, Any]) -> Any:
    """The pilot of this type, as the donkeycar that is installed here makes it.

    Raises:
        UnknownType: this donkeycar has no such pilot.
    """
    if importlib.util.find_spec("donkeycar.pipeline"):
        from .pipeline_pilot import PipelinePilot as Pilot
    else:
        from .classic_pilot import ClassicPilot as Pilot  # type: ignore[assignment]
    if model_type not in Pilot.types:
        raise UnknownType(model_type, ", ".join(Pilot.types))
    return Pilot(model_type, config)
