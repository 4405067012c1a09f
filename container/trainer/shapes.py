"""Where pictures and nets do not fit each other."""

import os
from typing import Any, List, Tuple

from donkey_sagemaker.errors import BadInput


class TooSmall(BadInput):
    def __init__(self, model_type: str, shape: Tuple[int, int, int]) -> None:
        super().__init__(
            f"donkeycar cannot build a {model_type} net for pictures of {shape[1]}x{shape[0]} and {shape[2]}"
            " colours.",
            "Set IMAGE_W and IMAGE_H to larger pictures; 160 and 120 always work.",
        )


class TransferUnreadable(BadInput):
    def __init__(self, path: str, error: Exception) -> None:
        cause = "{}: {}".format(type(error).__name__, (str(error).splitlines() or [""])[0])
        super().__init__(
            f"The transfer model {os.path.basename(path)} cannot be read where it is to be trained further"
            f" ({cause}).",
            "Transfer from a .h5 that this program made, or train in the environment of the car's donkeycar.",
        )


class OtherNet(BadInput):
    def __init__(self, path: str, got: List[Tuple[Any, ...]], wanted: List[Tuple[Any, ...]]) -> None:
        super().__init__(
            f"The transfer model {os.path.basename(path)} has inputs and outputs of shapes {got}, this"
            f" training needs {wanted}.",
            "Transfer from a model of the same --type and picture size, or leave --transfer out.",
        )


def shapes_of(net: Any) -> List[Tuple[Any, ...]]:
    """Of a Keras model's inputs, then its outputs."""
    return [tuple(tensor.shape) for tensor in net.inputs + net.outputs]
