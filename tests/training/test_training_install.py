"""Under which name each format of a trained model is installed, and what comes with it."""

import pytest

from donkey_sagemaker.car.archive import ArtifactFile
from donkey_sagemaker.page import make_page
from donkey_sagemaker.training.install import ending_for, path_of_extra
from donkey_sagemaker.ui import PlainUi
from job_factory import artifact_of, make_job

SAVED, LITE, HDF5 = (".savedmodel", "savedmodel"), (".tflite", "tflite"), (".h5", "h5")


@pytest.mark.parametrize(
    "models, form, ending",
    [
        ([SAVED, LITE], "savedmodel", ".savedmodel"),
        ([SAVED, LITE], "tflite", ".tflite"),
        ([HDF5], "h5", ".h5"),
        ([("", "hdf5")], "hdf5", ""),
        # What a job leaves that was killed during its epochs
        ([SAVED, LITE], "h5", ".h5"),
        ([LITE, SAVED], "h5", ".h5"),
        # The only model of an image that is not ours
        ([("", "hdf5")], "h5", ""),
        ([(".keras", "keras"), LITE], "h5", ".keras"),
    ],
)
def test_each_format_has_its_own_ending(models, form, ending):
    """As planned, as the trainer writes it after an epoch, or as it was asked for."""
    assert ending_for(form, make_job(models=models).plan) == ending


PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\0\0\0\0" + b"\0\0\0\0IEND\xaeB`\x82"


@pytest.mark.parametrize(
    "role, content, fault",
    [
        ("plot", PNG, None),
        ("plot", b"GIF89a", "it is not a PNG picture"),
        ("plot", PNG[:-1], "it is not a PNG picture"),
        ("history", b'{"loss": [0.1]}', None),
        ("history", b"import os", "it is not a JSON object"),
        ("history", b"[1]", "it is not a JSON object"),
        ("report", make_page("pilot").encode(), None),
        ("report", b"<script>1</script>", "it does not begin with the policy that forbids scripts"),
        ("report", make_page("pilot", "<script>1</script>").encode(), "it contains <script>"),
        ("report", b" " * (2**24 + 1), "it is larger than 16,777,216 bytes"),
    ],
)
def test_files_that_come_with_a_model(role, content, fault, tmp_path, capsys):
    """What is not what its name says stays in the archive, and the terminal says why."""
    path = tmp_path / "file"
    path.write_bytes(content)
    artifact = artifact_of("keras", files=[ArtifactFile(str(path), role, None, "0" * 64, len(content))])
    assert path_of_extra(role, artifact, PlainUi()) == (None if fault else str(path))
    warning = f"Warning: the {role} that came with the model is not installed: {fault}\n" if fault else ""
    assert capsys.readouterr().out == warning
