"""The validation pictures of an archive, small enough to make here: grey ones, whose grey is the steering."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest

SHAPE = (120, 160, 3)
GREYS = [(number * 37) % 251 for number in range(100)]  # in the order they were driven
DRIVEN = [grey / 255 for grey in GREYS]
SUMMARY = {
    "driven_std": 0.28,
    "predicted_std": 0.28,
    "error": 0.01,
    "constant_error": 0.25,
    "gain": 0.24,
    "gain_standard_error": 0.01,
    "squared_gain": 0.08,
    "squared_gain_standard_error": 0.01,
}
DEAD = dict(SUMMARY, predicted_std=0.001, error=0.25, gain=0.0, squared_gain=0.0)


def make_arrays(*, off_by: float = 0.01, sequence: int = 1, shape: Tuple[int, ...] = SHAPE) -> Dict[str, Any]:
    """What validation.npz holds, for a model whose steering is off by that much on every picture.

    Args:
        sequence: pictures in an example, of which only the last one has its grey.
    """
    np = pytest.importorskip("numpy")
    image = pytest.importorskip("PIL.Image")
    jpegs: List[bytes] = []
    for grey in GREYS:
        for value in [0] * (sequence - 1) + [grey]:
            file = io.BytesIO()
            pixels = np.full(shape, value, np.uint8)
            image.fromarray(pixels if shape[2] == 3 else pixels[:, :, 0]).save(file, format="JPEG")
            jpegs.append(file.getvalue())
    driven = np.array([[angle, 0.5] for angle in DRIVEN])
    return {
        "jpegs": np.frombuffer(b"".join(jpegs), np.uint8),
        "sizes": np.array([len(jpeg) for jpeg in jpegs]).reshape(len(GREYS), sequence),
        "driven": driven,
        "predicted": driven + [off_by, 0],
        "checksums": np.arange(len(GREYS), dtype=np.uint32),
    }


def add_validation(
    folder: Path,
    *,
    summary: Optional[Dict[str, float]] = None,
    off_by: float = 0.01,
    trained: Sequence[int] = (),
) -> None:
    """Gives the content of an archive these results in place of its own.

    Args:
        summary: of the steering; None for results that an earlier trainer did not leave.
        trained: the checksums of the pictures that the model was trained on.
    """
    np = pytest.importorskip("numpy")
    path = folder / "artifact.json"
    artifact = json.loads(path.read_text())
    artifact["files"] = [each for each in artifact["files"] if each["role"] not in ("validation", "trained")]
    artifact.pop("validation", None)
    for name in ("validation.npz", "trained.bin"):
        if (folder / name).exists():
            (folder / name).unlink()
    if summary is not None:
        artifact["validation"] = {"pictures": len(GREYS), "angle": summary, "throttle": summary}
        np.savez(str(folder / "validation.npz"), **make_arrays(off_by=off_by))
        (folder / "trained.bin").write_bytes(np.array(sorted(trained), "<u4").tobytes())
        for name, role in (("validation.npz", "validation"), ("trained.bin", "trained")):
            content = (folder / name).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            artifact["files"].append({"path": name, "role": role, "bytes": len(content), "sha256": digest})
    path.write_text(json.dumps(artifact))
