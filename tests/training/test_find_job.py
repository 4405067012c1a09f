"""Which job --attach and sagemaker-stop mean."""

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.job import INSTALLED, Outcome
from donkey_sagemaker.car.launch_file import make_launch_file
from donkey_sagemaker.car.ledger import NoPendingJob
from donkey_sagemaker.cloud.job import JobState
from donkey_sagemaker.training.find_job import find_backend, find_job
from donkey_sagemaker.ui import PlainUi
from job_factory import make_job


class OneBucket:
    """A cloud with one bucket, that several cars share."""

    bucket = "bucket"

    def __init__(self):
        self.objects = {}
        self.states = []

    def launch(self, car, name, status="InProgress"):
        """As a car does it."""
        car.ensure_state()
        car.ensure_id()
        job = make_job(name=name, folder=car.settings.folder)
        car.ledger.write(job)
        self.objects[job.keys.launch] = make_launch_file(job, car)
        self.states.insert(0, JobState(name, status))

    def list_objects(self, prefix):
        return {key: len(body) for key, body in self.objects.items() if key.startswith(prefix)}

    def download(self, key, path, *, advance):
        with open(path, "wb") as file:
            file.write(self.objects[key])

    def list_jobs(self):
        return self.states

    def reach(self, name):
        """All jobs of a bucket are within reach."""


@pytest.fixture
def cloud():
    return OneBucket()


@pytest.fixture
def open_mycar(tmp_path):
    """A function that opens a car in a folder of its own; each is called mycar, as in donkeycar's docs."""

    def open_number(number, config=""):
        path = tmp_path / str(number) / "mycar"
        path.mkdir(parents=True, exist_ok=True)
        (path / "config.py").write_text(config)
        return open_car(str(path), flags={})

    return open_number


def test_a_car_finds_its_own_job_only(cloud, open_mycar, capsys):
    """Two cars of the same name share a bucket: the one that launched nothing has nothing to stop."""
    first, second = open_mycar(1), open_mycar(2)
    cloud.launch(first, "donkey-first")
    with pytest.raises(NoPendingJob):
        find_job(second, cloud, PlainUi(), name=None)
    cloud.launch(second, "donkey-second")
    assert find_job(first, cloud, PlainUi(), name=None).name == "donkey-first"
    assert find_job(second, cloud, PlainUi(), name=None).name == "donkey-second"
    assert first.id != second.id and capsys.readouterr().out == ""


def test_a_job_of_another_car_has_to_be_named(cloud, open_mycar, capsys):
    """Then the command says whose it is."""
    first, second = open_mycar(1), open_mycar(2)
    cloud.launch(first, "donkey-first")
    job = find_job(second, cloud, PlainUi(), name="donkey-first")
    assert job.plan.base == second.models_path + "/pilot"
    assert capsys.readouterr().out == (
        f"Warning: donkey-first was launched by another car, mycar ({first.id})\n"
    )


def test_a_copy_of_the_car_continues_on_another_machine(cloud, open_mycar, capsys):
    """It has the same id, and its own ledger may be older."""
    car, copy = open_mycar(1), open_mycar(2)
    cloud.launch(car, "donkey-first", status="Completed")
    cloud.launch(car, "donkey-second")
    copy.ensure_state()
    with open(car.state_path("car_id")) as source, open(copy.state_path("car_id"), "w") as target:
        target.write(source.read())
    assert find_job(copy, cloud, PlainUi(), name=None).name == "donkey-second"
    assert find_job(copy, cloud, PlainUi(), name="donkey-first").name == "donkey-first"
    assert capsys.readouterr().out == ""


def test_a_car_with_a_folder(cloud, open_mycar, capsys):
    """It finds its jobs there; those of cars without a folder, as of earlier versions, have to be named."""
    earlier, car = open_mycar(1), open_mycar(2, "SAGEMAKER_FOLDER = 'blue'\n")
    other = open_mycar(3, "SAGEMAKER_FOLDER = 'red'\n")
    cloud.launch(car, "donkey-own")
    cloud.launch(earlier, "donkey-earlier")
    cloud.launch(other, "donkey-red")
    car.ledger.remove("donkey-own")
    job = find_job(car, cloud, PlainUi(), name=None)
    assert (job.name, job.folder) == ("donkey-own", "blue")
    assert job.keys.archive == "donkeycar/cars/blue/models/donkey-own/output/model.tar.gz"
    job = find_job(car, cloud, PlainUi(), name="donkey-earlier")
    assert job.keys.archive == "donkeycar/models/donkey-earlier/output/model.tar.gz"
    assert car.ledger.read("donkey-earlier").job == job
    with pytest.raises(NoPendingJob):
        find_job(car, cloud, PlainUi(), name="donkey-red")


def test_a_name_that_no_job_has(cloud, open_mycar):
    """Nothing is guessed."""
    car = open_mycar(1)
    cloud.launch(car, "donkey-first")
    with pytest.raises(NoPendingJob) as error:
        find_job(car, cloud, PlainUi(), name="../donkey-first/x")
    assert error.value.what == "This car has launched no job named ../donkey-first/x."


def test_the_ledger_knows_the_backend(cloud, open_mycar):
    """So --local need not be repeated."""
    car = open_mycar(1)
    assert find_backend(car, None) == "aws"
    car.ledger.write(make_job(name="donkey-first", backend="local"))
    car.ledger.write(make_job(name="donkey-second", started=1700000000.0), Outcome(INSTALLED))
    assert (find_backend(car, None), find_backend(car, "donkey-second")) == ("local", "aws")


def test_a_launch_file_that_is_too_large_is_not_downloaded(open_mycar, cloud):
    """This program does not write such a one."""
    mine = open_mycar(1)
    cloud.launch(open_mycar(2), "donkey-pilot-1")
    (key,) = cloud.objects
    cloud.objects[key] += b" " * 2**20
    cloud.download = None
    with pytest.raises(NoPendingJob):
        find_job(mine, cloud, PlainUi(), name="donkey-pilot-1")


def test_the_name_that_aws_batch_has_made(cloud, open_mycar):
    """That of the training job of a queued job, as AWS's console and its e-mails have it."""
    car = open_mycar(1)
    cloud.launch(car, "donkey-pilot-qmx1rtofg")
    training_job = "AWSBatchdonkey-pilot-qmx1rtofg9b2f08f911cf3dd794c1b3e72ae7ca5f"
    assert find_job(car, cloud, PlainUi(), name=training_job).name == "donkey-pilot-qmx1rtofg"
    assert find_backend(car, training_job) == make_job(name="x").backend
