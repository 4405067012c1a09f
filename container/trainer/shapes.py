"""Where pictures and nets do not fit each other."""

import os
from typing import Any, List, Tuple

from donkey_sagemaker.errors import BadInput


class TooSmall(BadInput):
    def __init__(self, model_type: str, shape: Tuple[int, int, int]) -> None:
        super().__init__(
            "donkeycar cannot build a {} net for pictures of {}x{} and {} colours.".format(
                model_type, shape[1], shape[0], shape[2]
            ),
            "Set IMAGE_W and IMAGE_H to larger pictures; 160 and 120 always work.",
        )


class OtherNet(BadInput):
    def __init__(self, path: str, got: List[Tuple[Any, ...]], wanted: List[Tuple[Any, ...]]) -> None:
        super().__init__(
            "The transfer model {} has inputs and outputs of shapes {}, this training needs {}.".format(
                os.path.basename(path), got, wanted
            ),
            "Transfer from a model of the same --type and picture size, or leave --transfer out.",
        )


def shapes_of(net: Any) -> List[Tuple[Any, ...]]:
    """Of a Keras model's inputs, then its outputs."""
    return [tuple(tensor.shape) for tensor in net.inputs + net.outputs]
