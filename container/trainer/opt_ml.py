"""SageMaker's folders, relocatable so that the same trainer runs anywhere."""

import json
import os
from typing import Any, Dict, List, Mapping

from donkey_sagemaker.contract import decode_hyperparameters


class OptMl:
    """The tree under /opt/ml, or under SAGEMAKER_BASE_DIR where that is set, as AWS's toolkit has it."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.base = environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
        self.model = os.path.join(self.base, "model")
        self.output_data = os.path.join(self.base, "output", "data")
        self.failure = os.path.join(self.base, "output", "failure")

    def channel(self, name: str) -> str:
        return os.path.join(self.base, "input", "data", name)

    def zips(self, channel: str) -> List[str]:
        """Paths of all files of a channel, however deep SageMaker put them, in a fixed order."""
        paths: List[str] = []
        for folder, _, names in os.walk(self.channel(channel)):
            paths.extend(os.path.join(folder, name) for name in names if name.endswith(".zip"))
        return sorted(paths)

    def hyperparameters(self) -> Dict[str, Any]:
        try:
            with open(os.path.join(self.base, "input", "config", "hyperparameters.json")) as file:
                return decode_hyperparameters(json.load(file))
        except FileNotFoundError:
            return {}

    def make_outputs(self) -> None:
        os.makedirs(self.model, exist_ok=True)
        os.makedirs(self.output_data, exist_ok=True)
