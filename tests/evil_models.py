"""Writes models that write a file where they are loaded or driven, for the tests of what is refused.

python tests/evil_models.py FOLDER MARK    writes FOLDER/*.h5 and so on, which write the file MARK
"""

import os
import sys
from typing import Any, Callable

import keras
import tensorflow
from tensorflow.keras.layers import Dense, Flatten, Input, Lambda, Layer
from tensorflow.keras.models import Model

SHAPE = (120, 160, 3)


def make_linear(change: Callable[[Any], Any]) -> Any:
    """A net with the inputs and outputs of a linear pilot."""
    pictures = Input(SHAPE, name="img_in")
    flat = Flatten()(change(pictures))
    return Model([pictures], [Dense(1, name="n_outputs0")(flat), Dense(1, name="n_outputs1")(flat)])


def main(folder: str, mark: str) -> None:
    class Writes(Layer):
        """Has no code in its description: TensorFlow's graph writes the file."""

        def call(self, pictures: Any) -> Any:
            with tensorflow.control_dependencies([tensorflow.io.write_file(mark, "written")]):
                return tensorflow.identity(pictures)

    code = eval(f"lambda pictures: (open({mark!r}, 'w').close(), pictures)[1]")
    has_code, writes = make_linear(Lambda(code, output_shape=SHAPE)), make_linear(Writes())
    has_code.save(os.path.join(folder, "lambda.h5"))
    has_code.save(os.path.join(folder, "lambda.keras"))
    if keras.__version__.startswith("2"):
        has_code.save(os.path.join(folder, "lambda.savedmodel"), save_format="tf")
        writes.save(os.path.join(folder, "writes.savedmodel"), save_format="tf")
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(writes)
    converter.target_spec.supported_ops = [
        tensorflow.lite.OpsSet.TFLITE_BUILTINS,
        tensorflow.lite.OpsSet.SELECT_TF_OPS,
    ]
    with open(os.path.join(folder, "writes.tflite"), "wb") as file:
        file.write(converter.convert())
    if os.path.exists(mark):  # Keras calls a layer once where it is made
        os.remove(mark)


if __name__ == "__main__":
    main(*sys.argv[1:])
