"""sagemaker-tune on AWS: SageMaker itself runs the trials; this program starts, watches and compares them."""

import json
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set

from ..car.car import Car
from ..car.job import FAILED, INSTALLED, KEPT_ASIDE, Bill, Job, Outcome, Plan
from ..car.ledger import NoPendingJob
from ..car.runtime import bare_type
from ..cloud.cloud import Cloud
from ..cloud.errors import NoSuchJob, Unreachable
from ..cloud.request import JobKeys
from ..cloud.tuning import TunedTrial, Tuner, TuningState, make_tuning_name
from ..cloud.tuning_request import TuningLimits, make_tuning_request
from ..contract import encode_hyperparameters
from ..errors import DonkeySagemakerError, JobFailed, add_note
from ..training.detach import Detaching
from ..training.disk import check_disk
from ..training.estimate import Estimator
from ..training.job_files import make_job_files, objects_to_put
from ..training.kept_aside import ModelKeptAside
from ..training.launch import choose_images, instance_type, make_job, make_requests, preflight
from ..training.launch_tuning import Bound, bound_cost, describe_bound, find_same_tuning, start_tuning
from ..training.memory import choose_types_with_memory
from ..training.plan import TrainOptions, make_plan, read_tubs
from ..training.team_budget import check_team_budget
from ..training.tune_space import Result, Space, describe_space, describe_values
from ..training.tuning_space import make_tuning_space, plan_of_trial, read_values, with_largest_batch
from ..training.upload import upload_shards
from ..training.watch import PatientConnection, Sleep
from ..tuning import TYPE
from ..ui import PlainUi, format_count, format_seconds, format_usd
from ._trial_results import (
    collect,
    install_the_best,
    report_result,
    show_table,
    total_usd,
    with_outcome,
)
from ._trials import OpenTrial
from .train import look_at_tubs

BILLED = " and is billed until it ends"  # to go on from "continues"
COME_BACK = "Come back with `python manage.py sagemaker-tune --attach`"
DENIED_S = 120.0  # AWS may deny to describe a tuning for a moment after its start


class TuningDetached(DonkeySagemakerError):
    """
    Args:
        bill: to go on from "continues".
    """

    exit_code = 130

    def __init__(self, name: str, bill: str) -> None:
        super().__init__(
            f"Detached. The tuning {name} continues{bill}.",
            f"{COME_BACK}, or end it with `python manage.py sagemaker-stop {name}`.",
        )


class TuningFailed(JobFailed):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"SageMaker has ended the tuning {name} before any trial: {reason or 'it gave no reason'}",
            "Train once to see whether a single job runs: `python manage.py sagemaker-train`.",
        )


class TuneOptions(NamedTuple):
    trials: int
    parallel: int
    max_cost_usd: Optional[float]
    dry_run: bool = False


def launch_tuning(
    car: Car,
    cloud: Cloud,
    tuner: Tuner,
    ui: PlainUi,
    train: TrainOptions,
    space: Space,
    options: TuneOptions,
    *,
    is_named: bool,
    detaching: Detaching,
) -> Optional[Job]:
    """Plans, shows what it can cost, uploads and starts.

    Args:
        is_named: the user chose the model's name.
    Returns:
        the tuning that runs; None after a dry run.
    """
    check_disk(car.path)
    car.settings = car.settings._replace(keep_alive_s=0)  # SageMaker itself reuses instances in a tuning
    tubs = read_tubs(car, train.tub)
    if len(space.get(TYPE, [])) == 1:
        train = train._replace(model_type=space[TYPE][0])
    plan = make_plan(car, tubs, train)
    space = without_type_if_fixed(car, ui, space, plan)
    tuning_space = make_tuning_space(car, space, plan)
    look_at_tubs(car, ui, tubs)
    estimator = Estimator(car, cloud, plan)
    types, warning = choose_types_with_memory(
        cloud,
        estimator.choose_types(),
        config=with_largest_batch(
            car.config.values, [{"BATCH_SIZE": each} for each in space.get("BATCH_SIZE", [])]
        ),
        model_type=bare_type(plan.model_type),
        are_named=not estimator.is_auto,
    )
    if warning:
        ui.warn(warning)
    images = choose_images(cloud, car.runtime.generation, types)
    files = make_job_files(car, plan, tubs, images=list(images.values()), tuning=tuning_space.describe(plan))
    name = make_tuning_name(now=time.time())
    keys = JobKeys(cloud.bucket, car.settings.prefix, name, car.settings.folder)
    requests = make_requests(car, cloud, plan, keys, files, images)
    at_once = [_all_at_once(each, options.parallel) for each in requests]
    allowed = preflight(cloud, ui, at_once, are_named=not estimator.is_auto)
    chosen = instance_type(allowed[0])
    training = next(each for each in requests if instance_type(each) == chosen)
    training["HyperParameters"].update(encode_hyperparameters(tuning_space.fixed))
    bound = show_tuning_plan(car, cloud, ui, estimator, chosen, space, options)
    request = make_tuning_request(
        training,
        tuning_space.parameters,
        limits=TuningLimits(options.trials, options.parallel, bound.max_runtime_s),
        stops_early=tuning_space.stops_early,
        seed=car.settings.seed,
    )
    tuner.check(request)
    uploaded = upload_shards(
        car, cloud, ui, keys, tubs, model_type=bare_type(plan.model_type), dry_run=options.dry_run
    )
    if options.dry_run:
        return None
    job = make_job(car, plan, keys, [training], files, uploaded, is_named=is_named)
    fingerprint = make_job(car, plan, keys, [request], files, uploaded, is_named=is_named).fingerprint
    job = job._replace(fingerprint=fingerprint)
    same = find_same_tuning(car, tuner, job)
    if same and same.is_started:
        ui.print(f"The tuning {same.job.name} already tries exactly this: attaching to it")
        detaching.job, detaching.bill = same.job.name, BILLED
        return same.job
    check_team_budget(car, cloud, [_all_at_once(training, options.trials)])
    if same:
        request = json.loads(json.dumps(request).replace(job.name, same.job.name))
        job = same.job
    detaching.bill = BILLED + ("" if bound.usd is None else f", at most {format_usd(bound.usd)}")
    start_tuning(
        car,
        cloud,
        tuner,
        job,
        request,
        objects=lambda: objects_to_put(cloud, job, files, uploaded.sha256s),
        detaching=detaching,
    )
    ui.print(f"The tuning {job.name} is running {cloud.place}")
    return job


def _all_at_once(request: Dict[str, Any], trials: int) -> Dict[str, Any]:
    """One request with the machines of several trials, for quotas and budgets."""
    resources = request["ResourceConfig"]
    return dict(request, ResourceConfig=dict(resources, InstanceCount=resources["InstanceCount"] * trials))


def without_type_if_fixed(car: Car, ui: PlainUi, space: Space, plan: Plan) -> Space:
    """The losses of models of different types cannot be compared, only how they drive."""
    types = space.get(TYPE, [])
    if len(types) > 1 and car.settings.driving_proof:
        return space
    if len(types) > 1:
        ui.print(
            f"{TYPE} stays {plan.model_type}: without SAGEMAKER_DRIVING_PROOF, models of different types"
            " cannot be compared"
        )
    return {name: choices for name, choices in space.items() if name != TYPE}


def show_tuning_plan(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    estimator: Estimator,
    chosen: str,
    space: Space,
    options: TuneOptions,
) -> Bound:
    """Prints what is tried, what it is likely to cost and can cost at most.

    Raises:
        BadInput: a limit does not allow it.
    """
    ui.print(
        f"{format_count(options.trials, 'trial')}, {options.parallel} at a time, {cloud.place}, as one tuning"
        " of SageMaker"
    )
    one = estimator.describe_cost(chosen)
    if one:
        ui.print(f"Each with these settings: {one}")
    estimator.check_cost([chosen])
    estimate = estimator.estimate(chosen)
    bound = bound_cost(
        chosen,
        trials=options.trials,
        parallel=options.parallel,
        machines=car.settings.instance_count,
        trial_usd=estimate.most_usd,
        price=estimate.price,
        limit_usd=options.max_cost_usd,
    )
    likely = estimate.likely.usd if estimate.likely else None
    describe_bound(ui, bound, likely_usd=None if likely is None else likely * options.trials)
    ui.print(f"Trying {describe_space(space)}")
    return bound


class TuningWatch:
    """Watches a tuning, keeps the model of each trial aside when it ends, and installs the best one.

    Args:
        car: with its own settings.
        job: the tuning, from the ledger of tunings.
        open_trial: the car with the values of a trial.
        bill: what it costs, to go on from "continues"; empty where that is not known.
    """

    def __init__(
        self,
        car: Car,
        cloud: Cloud,
        tuner: Tuner,
        ui: PlainUi,
        job: Job,
        *,
        open_trial: OpenTrial,
        bill: str = BILLED,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._car = car
        self._cloud = cloud
        self._tuner = tuner
        self._ui = ui
        self._job = job
        self._open_trial = open_trial
        self._bill = bill
        self._sleep = sleep
        self._connection = PatientConnection(cloud, ui, sleep)
        self._shown: Set[str] = set()  # names of trials
        self._results: Dict[str, Result] = {}

    @property
    def results(self) -> List[Result]:
        return list(self._results.values())

    def run(self) -> None:
        """Up to the installed model.

        Raises:
            TuningDetached: Ctrl-C.
            NoSuchJob, NoTrialHasAModel, TuningFailed, ModelRejected, ModelKeptAside
        """
        try:
            state = self._watch()
        except KeyboardInterrupt:
            if self._results:
                show_table(self._ui, self.results)
            raise TuningDetached(self._job.name, self._bill) from None
        except NoSuchJob:
            raise
        except DonkeySagemakerError as error:
            add_note(error, f"The tuning {self._job.name} continues{self._bill}. {COME_BACK}.")
            raise
        self._finish(state)

    def _watch(self) -> TuningState:
        """Until the tuning and all of its trials have ended."""
        name = self._job.name
        while True:
            # The state first: all trials have been started when it has ended
            state = self._ask(self._describe)
            trials = self._ask(lambda: self._tuner.list_trials(name))
            ended = len(self._results)
            for trial in trials:
                self._look_at(trial, state.trials)
            if max(1, ended) < len(self._results) < state.trials:
                show_table(self._ui, self.results)
            if not state.is_running and len(self._results) == len(trials):
                return state
            self._sleep(self._cloud.poll_s)

    def _describe(self) -> TuningState:
        try:
            return self._tuner.describe(self._job.name)
        except NoSuchJob:
            self._car.tunings.remove(self._job.name)  # never started: there is nothing to attach to
            raise

    def _ask(self, question: Callable[[], Any]) -> Any:
        return self._connection.ask(question, denied_s=DENIED_S)

    def _look_at(self, trial: TunedTrial, count: int) -> None:
        if trial.name in self._results:
            return
        values = read_values(trial.texts)
        if trial.is_running:
            if trial.name not in self._shown:
                self._shown.add(trial.name)
                self._ui.print(
                    f"Trial {trial.number}/{count} runs as {trial.name}: {describe_values(values)}"
                )
            return
        job = self._job_of(trial, values)
        result = Result(trial.number, values, job, Bill(), was_stopped=trial.status == "Stopped")
        try:
            outcome = self._car.ledger.read(trial.name).outcome
        except NoPendingJob:
            outcome = None
        if outcome:
            self._results[trial.name] = with_outcome(result, outcome)
            return
        try:
            state = self._cloud.describe_job(trial.name)
            if state.is_running:
                return
            self._results[trial.name] = collect(self._cloud, self._ui, self._car, result, state)
        except Unreachable:
            return  # the next look asks again
        except NoSuchJob:  # somebody has deleted it
            self._results[trial.name] = result
        report_result(self._ui, self._results[trial.name], self.results, count)

    def _job_of(self, trial: TunedTrial, values: Dict[str, Any]) -> Job:
        """The trial as the car's ledger has it."""
        plan = plan_of_trial(self._car, self._job.plan, values.get(TYPE))
        requests = [
            dict(
                each,
                TrainingJobName=trial.name,
                HyperParameters={**each.get("HyperParameters", {}), **trial.texts},
            )
            for each in self._job.requests
        ]
        return self._job._replace(
            name=trial.name,
            started=trial.created,
            plan=plan._replace(comment=f"tune: {describe_values(values)}"),
            requests=requests,
            fingerprint="",
        )

    def _finish(self, state: TuningState) -> None:
        results = self.results
        total = total_usd(results)
        billed_s = sum(result.bill.billed_s or 0.0 for result in results)
        bill = Bill(billed_s=billed_s, cost_usd=total)
        if not results:
            self._write(Outcome(FAILED, bill))
            raise TuningFailed(self._job.name, state.failure_reason)
        if total is not None:
            self._ui.print(f"Billed {format_seconds(billed_s)} in all trials: {format_usd(total)}")
        end = FAILED
        try:
            install_the_best(self._cloud, self._ui, results, car_of=self._car_of)
            end = INSTALLED
        except ModelKeptAside:
            end = KEPT_ASIDE
            raise
        except JobFailed:
            raise
        except BaseException:
            end = ""  # the same command tries again
            raise
        finally:
            if end:
                self._write(Outcome(end, bill))

    def _car_of(self, result: Result) -> Car:
        car = self._open_trial({name: value for name, value in result.values.items() if name != TYPE})
        car.use_backend(self._job.backend)
        return car

    def _write(self, outcome: Outcome) -> None:
        self._car.tunings.write(self._job, outcome)
