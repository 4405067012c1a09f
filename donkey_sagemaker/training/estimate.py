"""What a training is likely to cost, from what earlier jobs of this car took; and the machine for it."""

from typing import Any, List, NamedTuple, Optional, Sequence

from ..car.car import Car
from ..car.ledger import Ledger
from ..car.runtime import bare_type
from ..cloud.forecast import Forecast, Past, Work, forecast, rank
from ..cloud.machines import SPEEDS
from ..cloud.prices import Price, most_cost
from ..errors import BadInput
from ..settings import AUTO, DEFAULT_TYPE
from ..tubs.reader import Tub
from ..ui import PlainUi, format_seconds, format_usd

_SHOWN = 3  # machines beside the chosen one


class TooDear(BadInput):
    def __init__(self, instance_type: str, most: float, limit: float) -> None:
        super().__init__(
            f"This job could cost {format_usd(most)} on {instance_type}; SAGEMAKER_MAX_COST_USD = {limit}.",
            "Lower SAGEMAKER_MAX_RUNTIME_S, choose another --instance-type, or allow more.",
        )


class CostUnknown(BadInput):
    """A limit is set, and it cannot be told whether the job keeps to it."""

    def __init__(self, instance_type: str, limit: float) -> None:
        super().__init__(
            f"No price is known for {instance_type}, so that SAGEMAKER_MAX_COST_USD = {limit} cannot be"
            " kept to.",
            "Let your AWS user pricing:GetProducts, choose another --instance-type, or set it to None.",
        )


class Estimate(NamedTuple):
    """One type of machine for this training."""

    instance_type: str
    price: Optional[Price]
    most_usd: Optional[float]
    likely: Optional[Forecast]


def make_work(car: Car, *, model_type: str, tubs: Sequence[Tub]) -> Work:
    """Counts the records, without a look at their pictures."""
    max_epochs = car.config.get("MAX_EPOCHS")
    return Work(
        model_type=bare_type(model_type),
        records=sum(tub.estimate_records() for tub in tubs),
        max_epochs=max_epochs if isinstance(max_epochs, int) else 100,
        stops_early=bool(car.config.get("USE_EARLY_STOP", True)),
    )


def past_jobs(car: Car) -> List[Past]:
    """This car's jobs on AWS that left a model and of which all is known, the newest first."""
    past: List[Past] = []
    for launch in Ledger(car.scratch("jobs")).all():
        epochs, trained_s = launch.epochs or 0, launch.trained_s or 0
        took_s, billed_s = launch.took_s or 0, launch.billed_s or 0
        if launch.records and 1 <= epochs <= launch.max_epochs and 0 < trained_s <= took_s and billed_s:
            past.append(
                Past(
                    instance_type=launch.requests[0]["ResourceConfig"]["InstanceType"],
                    is_spot=launch.requests[0]["EnableManagedSpotTraining"],
                    model_type=bare_type(launch.model_type),
                    records=launch.records,
                    epochs=epochs,
                    max_epochs=launch.max_epochs,
                    trained_s=trained_s,
                    took_s=took_s,
                    billed_s=billed_s,
                )
            )
    return past


class Estimator:
    """Forecasts of one training, by this car's settings and past jobs and by the cloud's prices."""

    def __init__(self, car: Car, cloud: Any, work: Work) -> None:
        self._settings = car.settings
        self._cloud = cloud
        self._work = work
        self._past = past_jobs(car)

    @property
    def is_auto(self) -> bool:
        return self._settings.instance_type == [AUTO]

    def estimate(self, instance_type: str) -> Estimate:
        settings = self._settings
        price: Optional[Price] = self._cloud.hourly_price(instance_type)
        most = price and most_cost(
            max_runtime_s=settings.max_runtime_s,
            keep_alive_s=settings.keep_alive_s,
            count=settings.instance_count,
            price=price,
        )
        likely = forecast(
            instance_type,
            self._work,
            self._past,
            price=price,
            count=settings.instance_count,
            spot=settings.spot,
            keep_alive_s=settings.keep_alive_s,
        )
        return Estimate(instance_type, price, most, likely)

    def choose_types(self) -> List[str]:
        """The types that SAGEMAKER_INSTANCE_TYPE names; for "auto" those that we know, the best first."""
        if not self.is_auto:
            return self._settings.instance_type
        estimates = [self.estimate(each) for each in SPEEDS]
        limit = self._settings.max_cost_usd
        cheap = [each for each in estimates if limit is None or (each.most_usd or 0) <= limit]
        likely = [each.likely for each in cheap or estimates if each.likely]
        return [each.instance_type for each in rank(likely, prefer=self._settings.prefer)] or [DEFAULT_TYPE]

    def tell_choice(self, ui: PlainUi, types: Sequence[str]) -> None:
        """Why "auto" takes the first of the types that the account may use."""
        if not self.is_auto or not self._cloud.bills:
            return
        told = [_describe_likely(self.estimate(each)) for each in types[: 1 + _SHOWN]]
        ui.say(f"Lowest {self._settings.prefer} of the machines with quota: {told[0]}")
        if told[1:]:
            ui.say("  before {}".format("; ".join(told[1:])))

    def tell_price(self, ui: PlainUi, types: Sequence[str]) -> None:
        """What an hour of the first type costs, and what this job is likely to, and can at most.

        Raises:
            TooDear, CostUnknown
        """
        if not self._cloud.bills:
            return
        words = self.describe_price(types[0])
        if words:
            ui.say(words)
        else:
            ui.warn(no_price(types[0]))
        self.check_cost(types)

    def describe_price(self, instance_type: str) -> Optional[str]:
        """None where no price is known."""
        each = self.estimate(instance_type)
        if each.price is None or each.most_usd is None:
            return None
        return "{} an hour{} ({}); this job {}at most {}".format(
            format_usd(each.price.usd_per_hour),
            " on demand, less on spot" if self._settings.spot else "",
            each.price.source,
            _likely_words(each.likely) if self._work.records else "",
            format_usd(each.most_usd),
        )

    def check_cost(self, types: Sequence[str]) -> None:
        """
        Raises:
            TooDear, CostUnknown: on any of the types, for each may be the one that is taken.
        """
        limit = self._settings.max_cost_usd
        if limit is None:
            return
        for instance_type in types:
            most = self.estimate(instance_type).most_usd
            if most is None:
                raise CostUnknown(instance_type, limit)
            if most > limit:
                raise TooDear(instance_type, most, limit)


def no_price(instance_type: str) -> str:
    return f"no price is known for {instance_type}; AWS tells it on its pricing page"


def _describe_likely(each: Estimate) -> str:
    if each.likely is None or each.likely.usd is None:
        return each.instance_type
    return (
        f"{each.instance_type}, likely {format_usd(each.likely.usd)} in {format_seconds(each.likely.seconds)}"
    )


def _likely_words(likely: Optional[Forecast]) -> str:
    if likely is None or likely.usd is None:
        return ""
    return "likely {} in {} ({} {}, {}), ".format(
        format_usd(likely.usd),
        format_seconds(likely.seconds),
        likely.epochs,
        "epoch" if likely.epochs == 1 else "epochs",
        (
            "by this car's last {}".format("job" if likely.jobs == 1 else f"{likely.jobs} jobs")
            if likely.jobs
            else "reckoned before its first job"
        ),
    )
