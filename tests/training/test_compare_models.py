"""Two models of a car on the same validation pictures; and where they differ most."""

import pathlib
from importlib.util import find_spec

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL")

from donkey_sagemaker import cli  # noqa: E402
from donkey_sagemaker.car import compare_child  # noqa: E402
from donkey_sagemaker.car.car import Car, open_car  # noqa: E402
from donkey_sagemaker.car.job import INSTALLED, Outcome  # noqa: E402
from donkey_sagemaker.car.model_history import Model  # noqa: E402
from donkey_sagemaker.car.trained_pictures import digest_model  # noqa: E402
from donkey_sagemaker.car.validation_pictures import find_validation, keep_validation  # noqa: E402
from donkey_sagemaker.training.compare_models import model_files  # noqa: E402
from job_factory import make_job  # noqa: E402
from small_donkeycar import MEAN, install_small_donkeycar  # noqa: E402
from validation_pictures import GREYS, make_arrays  # noqa: E402

with_donkeycar = pytest.mark.skipif(find_spec("donkeycar") is None, reason="this Python's donkeycar drives")


@pytest.fixture
def car(tmp_path: pathlib.Path) -> Car:
    """With two models; the pictures of the newer one, which is off by 0.1 everywhere, were kept."""
    (tmp_path / "config.py").write_text("IMAGE_H, IMAGE_W, IMAGE_DEPTH = 120, 160, 3\n")
    (tmp_path / "manage.py").write_text("")
    install_small_donkeycar(tmp_path)
    (tmp_path / "models").mkdir()
    car = open_car(str(tmp_path), flags={})
    for number, (name, expression) in enumerate((("old", MEAN), ("new", "a model"))):
        path = tmp_path / "models" / (name + ".h5")
        path.write_text(expression)
        job = make_job(
            name="job-" + name, started=1.6e9 + number, base=str(path)[:-3], models=[(".h5", "h5")]
        )
        car.ledger.write(job, Outcome(INSTALLED, val_loss=0.1, digests=[digest_model(str(path))]))
    arrays = make_arrays(off_by=0.1)
    arrays["predicted"][40] += [0.5, 0]
    np.savez(str(tmp_path / "validation.npz"), **arrays)
    keep_validation(car, "job-new", str(tmp_path / "validation.npz"))
    return car


@with_donkeycar
def test_two_models_are_compared(car: Car, capsys: pytest.CaptureFixture) -> None:
    """The older one is driven; the picture where they differ most comes first, on the page as well."""
    assert cli.main(["models", "old", "new", "--report"], car_path=car.path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "On 100 validation pictures of new, its steering is off by 0.105 on average, that of old by 0.000."
    )
    assert lines[1] == "Result: old is better."
    assert lines[3].split() == ["picture", "driver", "new", "old"]
    steered = GREYS[40] / 255
    assert lines[4].split() == ["40", f"{steered:+.2f}", f"{steered + 0.6:+.2f}", f"{steered:+.2f}"]
    assert len(lines) == 4 + 12 + 1 and lines[-1] == "The pictures: models/comparison.html"
    page = pathlib.Path(car.models_path, "comparison.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 12 and page.count("data:image/jpeg;base64,") == 12


@with_donkeycar
def test_a_model_that_cannot_be_driven(car: Car, capsys: pytest.CaptureFixture) -> None:
    """What donkeycar says is the reason."""
    path = pathlib.Path(car.models_path, "old.h5")
    path.write_text("not an expression")
    entry = car.ledger.read("job-old")
    assert entry.outcome
    car.ledger.write(entry.job, entry.outcome._replace(digests=[digest_model(str(path))]))
    assert cli.main(["models", "old", "new"], car_path=car.path) == 2
    assert capsys.readouterr().err.startswith(
        "old and new cannot be compared: this car's donkeycar cannot load or drive it (SyntaxError"
    )


def test_the_differences_are_apart() -> None:
    """Neighbouring pictures look alike."""
    differences = np.array([0.1, 0.9, 0.8, 0.0, 0.7, 0.2])
    places = [0, 10, 14, 15, 16, 90]
    assert compare_child.choose_apart(differences, places, most=3) == [1, 4, 5]
    assert compare_child.choose_apart(differences, places, most=0) == []


@pytest.mark.parametrize("sequence", [1, 3])
def test_the_picture_of_an_example(sequence: int) -> None:
    """The last one of a sequence."""
    arrays = make_arrays(sequence=sequence)
    for place in (0, 41, 99):
        picture = compare_child.decode(compare_child.jpeg_of(arrays, place), (120, 160, 3))
        assert abs(float(picture.mean()) - GREYS[place]) < 2


def test_validation_pictures_are_kept_for_the_last_trainings(car: Car, tmp_path: pathlib.Path) -> None:
    """And no more, so that the disk does not fill up."""
    for number in range(12):
        keep_validation(car, f"job-{number}", str(tmp_path / "validation.npz"))
    kept = pathlib.Path(car.state_path("validation"))
    assert len(list(kept.iterdir())) == 10 and find_validation(car, "job-11")
    assert find_validation(car, "job-none") is None
    with open(str(tmp_path / "large.npz"), "wb") as file:
        file.truncate(16 * 2**20 + 1)
    keep_validation(car, "job-large", str(tmp_path / "large.npz"))
    assert find_validation(car, "job-large") is None


def test_the_files_of_a_model() -> None:
    """By their endings; the model of a 2.2 car may have none."""
    plan = make_job(base="/car/models/pilot", models=[("", "hdf5")]).plan
    paths = ["/x/pilot", "/x/pilot.tflite", "/x/pilot.history.json", "/x/pilot.png", "/x/pilot.html"]
    model = Model("pilot", INSTALLED, paths=paths)
    assert [each.format for each in model_files(model)] == ["tflite"]
    assert [each.format for each in model_files(model._replace(plan=plan))] == ["hdf5", "tflite"]
