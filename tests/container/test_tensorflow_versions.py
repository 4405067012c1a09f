"""The differences between TensorFlow versions are in one module."""

import os
import re

import pytest

from donkey_sagemaker.resources import container_path

TRAINER = os.path.join(container_path(), "trainer")
# Checks of a version, and imports of a Keras, of which each version has another one
QUESTION = re.compile(
    r"tensorflow\.__version__|startswith\(\"[12]\.|\btf_keras\b|tensorflow\.keras|^ *import keras|"
    r"from tensorflow[.\w]* import keras|fit_generator|tensorflow\.set_random_seed|_create_all_weights",
    re.MULTILINE,
)


@pytest.mark.parametrize("name", sorted(name for name in os.listdir(TRAINER) if name.endswith(".py")))
def test_only_one_module_asks_for_the_version(name):
    """Everything else imports the answer from tensorflow_versions.py."""
    with open(os.path.join(TRAINER, name), encoding="utf-8") as file:
        code = re.sub(r"#.*|\"\"\"(?s:.*?)\"\"\"", "", file.read())
    found = QUESTION.findall(code)
    assert bool(found) == (name == "tensorflow_versions.py"), found
