"""What a training is estimated to cost before it starts, and what `auto` chooses."""

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.job import INSTALLED, Bill, Outcome
from donkey_sagemaker.cloud.prices import list_price
from donkey_sagemaker.contract import Progress
from donkey_sagemaker.training.estimate import (
    CostUnknown,
    Estimator,
    TooExpensive,
    make_timing,
    past_jobs,
)
from donkey_sagemaker.training.plan import TrainOptions, make_plan, read_tubs
from donkey_sagemaker.ui import PlainUi
from job_factory import make_job
from tub_factory import make_v2

PLAN = make_job(records=10000, max_epochs=100).plan
ON_DEMAND = {"ResourceConfig": {"InstanceType": "ml.m5.xlarge"}, "EnableManagedSpotTraining": False}


class Prices:
    """A cloud that has only prices: those of Ireland."""

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


def printed(capsys, report, car, cloud, *types):
    report(Estimator(car, cloud, PLAN), PlainUi(), types)
    return capsys.readouterr().out


def add_job(car, name, *, records=10000, backend="aws", **changes):
    """Adds a finished job to the car's ledger."""
    job = make_job(
        name=name,
        backend=backend,
        model_type="tflite_linear",
        requests=[ON_DEMAND],
        records=records,
        max_epochs=100,
    )
    bill = {"billed_s": 500, "took_s": 500, "cost_usd": 0.0357}
    end = {"val_loss": 0.1, "epochs": 20, "trained_s": 400.0}
    for name, value in changes.items():
        (bill if name in bill else end)[name] = value
    car.ledger.write(job, Outcome(INSTALLED, Bill(**bill), **end))


def test_the_likely_and_the_highest_cost_are_printed(car_with, capsys):
    """With the price, where it comes from, and what the estimate is based on."""
    car = car_with()
    where = "0.257 USD an hour (ml.m5.xlarge in eu-west-1, as listed in November 2026); this job "
    assert printed(capsys, Estimator.report_price, car, Prices(), "ml.m5.xlarge") == (
        where + "likely 0.036 USD in 8 min (30 epochs, estimated before its first job), at most 1.03 USD\n"
    )
    add_job(car, "one", trained_s=300.0, took_s=350)
    assert printed(capsys, Estimator.report_price, car, Prices(), "ml.m5.xlarge") == (
        where + "likely 0.025 USD in 6 min (20 epochs, judging by this car's last job), at most 1.03 USD\n"
    )


def test_another_type_may_cost_more(car_with, capsys):
    """A line for the most expensive of those that may be taken, unless that is the first."""
    types = ["ml.m5.xlarge", "ml.g5.xlarge", "ml.c5.xlarge", "ml.new.xlarge"]
    more = "Without capacity for ml.m5.xlarge, it may run on ml.g5.xlarge: at most 6.28 USD\n"
    assert printed(capsys, Estimator.report_price, car_with(), Prices(), *types).endswith(
        " 1.03 USD\n" + more
    )
    types = ["ml.g5.xlarge", "ml.m5.xlarge"]
    assert printed(capsys, Estimator.report_price, car_with(), Prices(), *types).endswith(" 6.28 USD\n")


def test_a_type_that_nobody_knows(car_with, capsys):
    """Neither its price nor its speed is known: it says so."""
    assert printed(capsys, Estimator.report_price, car_with(), Prices(), "ml.new.xlarge") == (
        "Warning: the price of ml.new.xlarge is not known; see AWS's pricing page\n"
    )


def test_this_machine_costs_nothing(car_with, capsys):
    """Before the first training here nothing is printed, and `auto` is any type."""
    car = car_with('SAGEMAKER_INSTANCE_TYPE = "auto"')
    assert printed(capsys, Estimator.report_price, car, Free(), "ml.m5.xlarge") == ""
    assert printed(capsys, Estimator.report_choice, car, Free(), "ml.m5.xlarge") == ""
    assert Estimator(car, Free(), PLAN).choose_types() == ["ml.m5.xlarge"]


def test_a_job_is_too_expensive_if_any_type_that_may_be_tried_is(car_with):
    """The second type as well: it is used where the first has no capacity."""
    car = car_with("SAGEMAKER_MAX_COST_USD = 2")
    with pytest.raises(TooExpensive) as error:
        Estimator(car, Prices(), PLAN).check_cost(["ml.m5.xlarge", "ml.g4dn.xlarge"])
    assert error.value.what == (
        "This job could cost 3.29 USD on ml.g4dn.xlarge, and SAGEMAKER_MAX_COST_USD is 2."
    )
    assert error.value.fix == (
        "Lower SAGEMAKER_MAX_RUNTIME_S, choose another --instance-type, or raise SAGEMAKER_MAX_COST_USD."
    )


def test_a_limit_cannot_be_enforced_without_a_price(car_with):
    """Such a job is not started; without a limit it is."""
    car = car_with("SAGEMAKER_MAX_COST_USD = 2")
    with pytest.raises(CostUnknown) as error:
        Estimator(car, Prices(), PLAN).check_cost(["ml.m5.xlarge", "ml.new.xlarge"])
    assert (error.value.what, error.value.fix) == (
        "The price of ml.new.xlarge is not known, so SAGEMAKER_MAX_COST_USD = 2 cannot be enforced.",
        "Allow your AWS user pricing:GetProducts, choose another --instance-type, or set "
        "SAGEMAKER_MAX_COST_USD = None.",
    )
    Estimator(car_with(), Prices(), PLAN).check_cost(["ml.new.xlarge"])


def test_named_types_are_taken_as_they_are(car_with):
    """In the owner's order, including types that this program does not know."""
    car = car_with('SAGEMAKER_INSTANCE_TYPE = ["ml.new.xlarge", "ml.m5.large"]')
    assert Estimator(car, Prices(), PLAN).choose_types() == ["ml.new.xlarge", "ml.m5.large"]


@pytest.mark.parametrize(
    "prefer, first, last",
    [("cost", "ml.c5.xlarge", "ml.g5.xlarge"), ("time", "ml.g5.xlarge", "ml.m5.large")],
)
def test_auto_chooses_the_best(prefer, first, last, car_with):
    """For 10,000 records a GPU is faster and a small machine cheaper."""
    car = car_with('SAGEMAKER_INSTANCE_TYPE = "auto"', f"SAGEMAKER_PREFER = {prefer!r}")
    types = Estimator(car, Prices(), PLAN).choose_types()
    assert (types[0], types[-1], len(types)) == (first, last, 6)


def test_auto_respects_the_limit_on_cost(car_with):
    """Types that could cost more are no fallback either; where all could, the best one is refused."""
    car = car_with('SAGEMAKER_INSTANCE_TYPE = "auto"', "SAGEMAKER_MAX_COST_USD = 1.0")
    assert Estimator(car, Prices(), PLAN).choose_types() == ["ml.c5.xlarge", "ml.m5.large"]
    car = car_with('SAGEMAKER_INSTANCE_TYPE = "auto"', "SAGEMAKER_MAX_COST_USD = 0.01")
    estimator = Estimator(car, Prices(), PLAN)
    with pytest.raises(TooExpensive):
        estimator.check_cost(estimator.choose_types())


def test_auto_says_why_it_chose(car_with, capsys):
    """The chosen type and the others, each with its likely cost and time."""
    car = car_with('SAGEMAKER_INSTANCE_TYPE = "auto"')
    assert printed(capsys, Estimator.report_choice, car, Prices(), "ml.c5.xlarge", "ml.m5.xlarge") == (
        "Lowest cost of the instance types with quota: ml.c5.xlarge, likely 0.030 USD in 8 min\n"
        "  ahead of ml.m5.xlarge, likely 0.036 USD in 8 min\n"
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
def test_a_job_about_which_too_little_is_known_does_not_count(changes, car_with):
    """An older one, or one whose archive contains impossible values."""
    car = car_with()
    add_job(car, "good")
    add_job(car, "odd", **changes)
    (past,) = past_jobs(car.ledger, backend="aws")
    assert (past.model_type, past.epochs, past.took_s) == ("linear", 20, 500)


@pytest.mark.parametrize("epochs, known", [("12", 12), ("None", 100)])
def test_the_estimate_follows_the_cars_config(epochs, known, car_with, tmp_path):
    """Good records are counted, deleted ones are not; without early stop all epochs are run."""
    car = car_with(
        "USE_EARLY_STOP = False",
        f"MAX_EPOCHS = {epochs}",
        "SAGEMAKER_CAR = 'donkeycar 5.3, tflite-runtime 2.14'",
    )
    for name in ("a", "b"):
        make_v2(tmp_path / "data" / name, 10, deleted=[3])
    plan = make_plan(car, read_tubs(car, None), TrainOptions(model_type="tflite_linear"))
    assert (plan.records, plan.max_epochs) == (18, known)
    assert Estimator(car, Prices(), plan).estimate("ml.m5.xlarge").likely.epochs == known


HERE = {"backend": "local", "billed_s": None, "before_s": 10.0, "after_s": 40.0}


def test_the_last_trainings_on_this_machine_are_the_estimate(car_with, capsys):
    """Half the records take half the time; all but the epochs takes as long as it did."""
    car = car_with('SAGEMAKER_BACKEND = "local"')
    for number in range(6):
        add_job(car, f"aws-{number}", before_s=10.0, after_s=40.0)
    assert printed(capsys, Estimator.report_price, car, Free(), "ml.m5.xlarge") == ""
    add_job(car, "here", records=20000, trained_s=800.0, took_s=1000, **HERE)
    assert len(past_jobs(car.ledger, backend="aws")) == 6
    assert printed(capsys, Estimator.report_price, car, Free(), "ml.m5.xlarge") == (
        "Likely 8 min until the model is installed (20 epochs, judging by the last training here)\n"
    )
    add_job(car, "again", records=20000, trained_s=400.0, took_s=600, **HERE)
    assert printed(capsys, Estimator.report_price, car, Free(), "ml.m5.xlarge") == (
        "Likely 6 min until the model is installed (20 epochs, judging by the last 2 trainings here)\n"
    )


@pytest.mark.parametrize(
    "after_s, left", [(40.0, "about 7 min left"), (float("nan"), "about 6 min of training left")]
)
def test_the_time_left_is_that_of_the_whole_job(after_s, left, car_with):
    """As this car's last jobs took: 19 more of their 20 epochs, then the export, the report and the check."""
    car = car_with('SAGEMAKER_BACKEND = "local"')
    add_job(car, "here", took_s=600, **dict(HERE, after_s=after_s))
    job = make_job(backend="local", records=10000, max_epochs=100, started=1000.0)
    timing = make_timing(car, job, clock=lambda: 1030.0)
    timing.see_epoch(Progress(1, 100, 0.1, 0.1, 0.1, 8000, 20.0), is_running=True)
    assert timing.describe() == left
