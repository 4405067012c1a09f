"""The models of every type pass the check for code, as our trainer writes them and as Keras itself does."""

from typing import Any, Dict

import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests run where a car's donkeycar and TensorFlow are")
pytest.importorskip("donkeycar.pipeline.training", reason="donkeycar 2 makes other nets")

from donkey_sagemaker.car.model_scan_child import find_forbidden
from donkey_sagemaker.contract import NO_LITE_TYPES, TYPES
from opt_ml_factory import CONFIG
from trainer.export import check_format, export
from trainer.pilots import make_pilot
from trainer.tensorflow_versions import find_keras_2

pytestmark = pytest.mark.minutes
VALUES: Dict[str, Any] = {}
exec(CONFIG, VALUES)
VALUES = {name: value for name, value in VALUES.items() if name.isupper()}
SLOW_TYPES = ("memory", "rnn", "3d")  # whose nets have what others lack; the others skip the slow formats


@pytest.mark.parametrize("model_type", TYPES)
def test_models_of_every_type(model_type: str, tmp_path: Any) -> None:
    """Nothing in them is refused, in any format, compiled or not."""
    pilot = make_pilot(model_type, dict(VALUES))
    pilot.compile()
    wanted = [("pilot.h5", "h5"), ("pilot.keras", "keras"), ("pilot", "hdf5")]
    if model_type in SLOW_TYPES:
        if find_keras_2():
            wanted.append(("pilot.savedmodel", "savedmodel"))
        if model_type not in NO_LITE_TYPES:
            wanted.append(("pilot.tflite", "tflite"))
    for _, form in wanted:
        check_format(form, model_type=model_type)
    made = export(pilot, wanted, str(tmp_path), model_type=model_type, car_versions={}).models
    assert made == wanted
    for name in ("keras.h5", "keras.keras"):
        pilot.net.save(str(tmp_path / name))
        made.append((name, name.split(".")[1]))
    assert [(form, find_forbidden(form, str(tmp_path / name))) for name, form in made] == [
        (form, None) for _, form in made
    ]
