"""What a training is told to cost before it is started, and what `auto` takes; by a cloud that has prices."""

import pytest

from donkey_sagemaker.car import ledger
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.ledger import Launch, Ledger
from donkey_sagemaker.cloud.forecast import Work
from donkey_sagemaker.cloud.prices import list_price
from donkey_sagemaker.commands import jobs
from donkey_sagemaker.training.estimate import CostUnknown, Estimator, TooDear, make_work, past_jobs
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from donkey_sagemaker.ui import PlainUi
from tub_factory import make_v2

WORK = Work("linear", records=10000, max_epochs=100, stops_early=True)
NOVEMBER, DECEMBER = 1794268800.0, 1796860800.0  # 2026-11-10 and 2026-12-10


class Prices:
    """A cloud of which only the prices matter: those of Ireland."""

    bills = True

    def hourly_price(self, instance_type):
        return list_price(instance_type, "eu-west-1")


class Free(Prices):
    """This machine."""

    bills = False

    def hourly_price(self, instance_type):
        return None


@pytest.fixture
def car_with(tmp_path):
    """A function that makes a car with these lines in its myconfig.py."""

    def make(*lines):
        (tmp_path / "config.py").write_text("MAX_EPOCHS = 100\n")
        (tmp_path / "myconfig.py").write_text("\n".join(lines))
        return open_car(str(tmp_path), flags={}, myconfig="myconfig.py")

    return make


def told(capsys, tell, car, cloud, *types):
    tell(Estimator(car, cloud, WORK), PlainUi(), types)
    return capsys.readouterr().out


def keep_job(car, name, **changes):
    """Puts a finished job into the car's ledger."""
    launch = Launch(
        job=name,
        state=ledger.INSTALLED,
        backend="aws",
        bucket="bucket",
        prefix="donkeycar",
        started=NOVEMBER,
        model_type="tflite_linear",
        base=car.path + "/models/pilot",
        models=[(".tflite", "tflite")],
        tubs=[],
        transfer=None,
        comment=None,
        val_loss=0.1,
        requests=[{"ResourceConfig": {"InstanceType": "ml.m5.xlarge"}, "EnableManagedSpotTraining": False}],
        billed_s=500,
        cost_usd=0.0357,
        records=10000,
        max_epochs=100,
        epochs=20,
        trained_s=400.0,
        took_s=500,
    )
    Ledger(car.scratch("jobs")).write(launch._replace(**changes))


def test_the_likely_and_the_most_cost_are_told(car_with, capsys):
    """With the price, where it is from, and what the forecast rests on."""
    car = car_with()
    where = "0.257 USD an hour (ml.m5.xlarge in eu-west-1, as listed in November 2026); this job "
    assert told(capsys, Estimator.tell_price, car, Prices(), "ml.m5.xlarge") == (
        where + "likely 0.036 USD in 8 min (30 epochs, reckoned before its first job), at most 1.03 USD\n"
    )
    keep_job(car, "one", trained_s=300.0, took_s=350)
    assert told(capsys, Estimator.tell_price, car, Prices(), "ml.m5.xlarge") == (
        where + "likely 0.025 USD in 6 min (20 epochs, by this car's last job), at most 1.03 USD\n"
    )


def test_a_type_that_nobody_knows(car_with, capsys):
    """No price: it says so. A price but no speed: only the most."""
    assert told(capsys, Estimator.tell_price, car_with(), Prices(), "ml.new.xlarge") == (
        "Warning: no price is known for ml.new.xlarge; AWS tells it on its pricing page\n"
    )


def test_this_machine_costs_nothing(car_with, capsys):
    """Nothing is told, and auto is any type."""
    car = car_with('SAGEMAKER_INSTANCE_TYPE = "auto"')
    assert told(capsys, Estimator.tell_price, car, Free(), "ml.m5.xlarge") == ""
    assert told(capsys, Estimator.tell_choice, car, Free(), "ml.m5.xlarge") == ""
    assert Estimator(car, Free(), WORK).choose_types() == ["ml.m5.xlarge"]


def test_too_dear_is_refused_for_any_type_that_may_be_tried(car_with):
    """The second one too: it is taken where the first has no capacity."""
    car = car_with("SAGEMAKER_MAX_COST_USD = 2")
    with pytest.raises(TooDear) as refusal:
        Estimator(car, Prices(), WORK).check_cost(["ml.m5.xlarge", "ml.g4dn.xlarge"])
    assert refusal.value.what == (
        "This job could cost 3.29 USD on ml.g4dn.xlarge; SAGEMAKER_MAX_COST_USD = 2."
    )
    assert refusal.value.fix == (
        "Lower SAGEMAKER_MAX_RUNTIME_S, choose another --instance-type, or allow more."
    )


def test_a_limit_is_kept_where_no_price_is_known(car_with):
    """Nobody can tell whether such a job would keep to it; without a limit it may start."""
    car = car_with("SAGEMAKER_MAX_COST_USD = 2")
    with pytest.raises(CostUnknown) as refusal:
        Estimator(car, Prices(), WORK).check_cost(["ml.m5.xlarge", "ml.new.xlarge"])
    assert (refusal.value.what, refusal.value.fix) == (
        "No price is known for ml.new.xlarge, so that SAGEMAKER_MAX_COST_USD = 2 cannot be kept to.",
        "Let your AWS user pricing:GetProducts, choose another --instance-type, or set it to None.",
    )
    Estimator(car_with(), Prices(), WORK).check_cost(["ml.new.xlarge"])


def test_named_types_are_taken_as_they_are(car_with):
    """In the owner's order, also those that we do not know."""
    car = car_with('SAGEMAKER_INSTANCE_TYPE = ["ml.new.xlarge", "ml.m5.large"]')
    assert Estimator(car, Prices(), WORK).choose_types() == ["ml.new.xlarge", "ml.m5.large"]


@pytest.mark.parametrize(
    "prefer, first, last",
    [("cost", "ml.c5.xlarge", "ml.g5.xlarge"), ("time", "ml.g5.xlarge", "ml.m5.large")],
)
def test_auto_takes_the_best(prefer, first, last, car_with):
    """For 10,000 records a GPU is faster and a small machine cheaper."""
    car = car_with('SAGEMAKER_INSTANCE_TYPE = "auto"', f"SAGEMAKER_PREFER = {prefer!r}")
    types = Estimator(car, Prices(), WORK).choose_types()
    assert (types[0], types[-1], len(types)) == (first, last, 6)


def test_auto_keeps_to_what_a_job_may_cost(car_with):
    """Types that could cost more are no fallback either; where all could, the best is refused."""
    car = car_with('SAGEMAKER_INSTANCE_TYPE = "auto"', "SAGEMAKER_MAX_COST_USD = 1.0")
    assert Estimator(car, Prices(), WORK).choose_types() == ["ml.c5.xlarge", "ml.m5.large"]
    car = car_with('SAGEMAKER_INSTANCE_TYPE = "auto"', "SAGEMAKER_MAX_COST_USD = 0.01")
    estimator = Estimator(car, Prices(), WORK)
    with pytest.raises(TooDear):
        estimator.check_cost(estimator.choose_types())


def test_auto_says_why(car_with, capsys):
    """What it takes and what it leaves, each with its likely cost and time."""
    car = car_with('SAGEMAKER_INSTANCE_TYPE = "auto"')
    assert told(capsys, Estimator.tell_choice, car, Prices(), "ml.c5.xlarge", "ml.m5.xlarge") == (
        "Lowest cost of the machines with quota: ml.c5.xlarge, likely 0.030 USD in 8 min\n"
        "  before ml.m5.xlarge, likely 0.036 USD in 8 min\n"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"records": 0},
        {"epochs": None},
        {"epochs": 101},
        {"trained_s": None},
        {"trained_s": 501.0},
        {"trained_s": float("nan")},
        {"took_s": None},
        {"billed_s": None},
    ],
)
def test_a_job_of_which_too_little_is_known_does_not_count(changes, car_with):
    """An older one, one on this machine, or one whose archive tells what cannot be."""
    car = car_with()
    keep_job(car, "good")
    keep_job(car, "odd", **changes)
    (past,) = past_jobs(car)
    assert (past.model_type, past.epochs, past.took_s) == ("linear", 20, 500)


@pytest.mark.parametrize("epochs, known", [("12", 12), ("None", 100)])
def test_the_work_is_what_the_car_s_config_asks_for(epochs, known, car_with, tmp_path):
    """Good records are counted, deleted ones are not."""
    car = car_with("USE_EARLY_STOP = False", "MAX_EPOCHS = " + epochs)
    make_v2(tmp_path / "data", 10, deleted=[3])
    tub = read_tub(FolderFiles(str(tmp_path / "data")), name="data")
    work = make_work(car, model_type="tflite_linear", tubs=[tub, tub])
    assert work == Work("linear", records=18, max_epochs=known, stops_early=False)


def test_bills_are_summed_by_month(car_with, capsys):
    """The newest month first; jobs on this machine cost nothing, and a bill that is not known is told."""
    car = car_with()
    jobs.show_sum(car, PlainUi())
    assert capsys.readouterr().out == "This car has had no jobs on AWS.\n"
    keep_job(car, "one", cost_usd=0.5)
    keep_job(car, "two", cost_usd=0.75, state=ledger.FAILED)
    keep_job(car, "three", started=DECEMBER)
    keep_job(car, "four", started=DECEMBER, billed_s=None, cost_usd=None, state=ledger.LAUNCHED)
    keep_job(car, "local", backend="local")
    jobs.show_sum(car, PlainUi())
    assert capsys.readouterr().out == (
        "month    jobs  billed  cost       bill not known\n"
        "2026-12  2     8 min   0.036 USD  1\n"
        "2026-11  2     17 min  1.25 USD   0\n"
        "A bill is known once a job's end was watched: `python manage.py sagemaker-train --attach=JOB`.\n"
    )
