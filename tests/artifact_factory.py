"""artifact.json as the trainer writes it, for tests."""

import hashlib
from typing import Any, Dict, List, Optional


def listed(name: str, content: bytes, role: str, model_format: Optional[str] = None) -> Dict[str, Any]:
    item: Dict[str, Any] = {
        "path": name,
        "role": role,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    if model_format:
        item["format"] = model_format
    return item


def make_artifact(files: List[Dict[str, Any]], **changes: Any) -> Dict[str, Any]:
    values = {
        "format": 1,
        "name": "pilot",
        "type": "linear",
        "pilot": "KerasLinear",
        "files": files,
        "versions": {"tensorflow": "2.15.1"},
        "tubs": ["tub_1"],
        "records": {"train": 8, "validation": 2},
        "config": {"IMAGE_W": 160},
        "metrics": {"epochs": 2, "best_epoch": 2, "seconds": 3.5, "val_loss": 0.1, "stopped": False},
        "history": {"loss": [0.5, 0.25], "val_loss": [1, 0.1]},
    }
    values.update(changes)
    return values
