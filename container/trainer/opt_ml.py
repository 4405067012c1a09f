"""SageMaker's folders. They can be elsewhere than in /opt/ml, so that the same trainer runs anywhere."""

import os
from typing import Any, Dict, List, Mapping

from donkey_sagemaker.contract import decode_hyperparameters
from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.untrusted_json import parse_json


class JobUnreadable(BadInput):
    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"The job's {path} cannot be read: {why}.",
            "Start the job again with `python manage.py sagemaker-train`.",
        )


class OptMl:
    """The tree under /opt/ml, or under SAGEMAKER_BASE_DIR if that is set, as in AWS's own toolkit."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.base = environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
        self.model = os.path.join(self.base, "model")
        self.output_data = os.path.join(self.base, "output", "data")
        self.failure = os.path.join(self.base, "output", "failure")
        self.checkpoints = os.path.join(self.base, "checkpoints")  # exists if the job uses checkpoints
        self.job_name = os.path.basename(environ.get("TRAINING_JOB_NAME", ""))  # empty outside SageMaker

    def channel(self, name: str) -> str:
        return os.path.join(self.base, "input", "data", name)

    def zips(self, channel: str) -> List[str]:
        """Paths of all zips of a channel, however deep SageMaker put them, in a fixed order."""
        paths: List[str] = []
        for folder, _, names in os.walk(self.channel(channel)):
            paths.extend(os.path.join(folder, name) for name in names if name.endswith(".zip"))
        return sorted(paths)

    def hyperparameters(self) -> Dict[str, Any]:
        return decode_hyperparameters(self._read_config("hyperparameters.json"))

    def hosts(self) -> List[str]:
        """The job's machines, this one first."""
        resources = self._read_config("resourceconfig.json")
        here = resources.get("current_host") or "algo-1"
        return [here] + sorted(set(resources.get("hosts") or []) - {here})

    def network_interface(self) -> str:
        """The interface that connects the job's machines."""
        return str(self._read_config("resourceconfig.json").get("network_interface_name") or "eth0")

    def make_outputs(self) -> None:
        os.makedirs(self.model, exist_ok=True)
        os.makedirs(self.output_data, exist_ok=True)

    def _read_config(self, name: str) -> Dict[str, Any]:
        """A file of input/config; empty if there is none."""
        path = os.path.join(self.base, "input", "config", name)
        try:
            with open(path, "rb") as file:
                values = parse_json(file.read())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise JobUnreadable(path, str(error)) from error
        if not isinstance(values, dict):
            raise JobUnreadable(path, f"it is not a JSON object: {values!r:.50}")
        return values
