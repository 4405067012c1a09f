"""sagemaker-train: plan, upload, submit, watch, check, install."""

import argparse
import time
from typing import Callable, List, Mapping, Optional, Tuple

from ..car.car import Car
from ..car.driving_process import DrivingProcess
from ..car.job import FAILED, Bill, Job, Outcome
from ..car.runtime import bare_type, find_runtime_or_none
from ..cloud.cloud import Cloud
from ..cloud.errors import NoSuchJob
from ..cloud.failures import explain_failure
from ..cloud.job import JobState
from ..cloud.request import JobKeys, make_job_name
from ..errors import JobFailed
from ..interrupts import interrupt_on_hangup
from ..setting_kinds import AUTO
from ..training.clean_up import clean_up, one_process
from ..training.detach import Detaching, detach_on_interrupt, name_job_in_errors
from ..training.disk import check_disk
from ..training.dry_run import report_dry_run
from ..training.end import BY_DEFAULT, Announce, announced_end
from ..training.estimate import Estimator, describe_bill, make_timing
from ..training.find_job import find_backend, find_job
from ..training.first_look import measure_slide, review_briefly
from ..training.job_files import JobFiles, make_job_files, objects_to_put
from ..training.kept_aside import find_kept
from ..training.kept_instances import report_kept
from ..training.launch import (
    choose_images,
    find_resumable,
    instance_type,
    make_job,
    make_requests,
    make_successor,
    preflight,
    submit,
    untried_requests,
    with_type,
)
from ..training.memory import choose_types_with_memory
from ..training.plan import TrainOptions, make_plan, read_tubs
from ..training.receive import is_installed, receive
from ..training.team_budget import check_team_budget
from ..training.timing import Timing
from ..training.tuning_space import make_trials, with_largest_batch
from ..training.upload import upload_shards
from ..training.watch import Ended, Sleep, make_meter, watch
from ..tubs.reader import Tub
from ..tuning import count_trial_epochs
from ..ui import PlainUi, format_seconds, format_usd, make_ui
from ._options import (
    add_car_options,
    add_override_options,
    add_setting_options,
    add_tub_option,
    named_tubs,
    open_the_car,
    open_the_cloud,
)

HELP = (
    "Packs the tubs, uploads what is new, trains on AWS SageMaker (with --local: on this machine), lets the "
    "car's own donkeycar drive the model that comes back, and installs it."
)


class TrainingFailed(JobFailed):
    def __init__(self, job: str, failure_reason: str, log: List[str]) -> None:
        cause, fix = explain_failure(failure_reason or "it ended without a model", log)
        what = f"The job {job} failed: {cause}"
        if log:
            what += "\nThe last lines of its log:\n" + "\n".join(f"  {line}" for line in log)
        super().__init__(what, fix)


class StoppedWithoutModel(JobFailed):
    def __init__(self, job: str) -> None:
        super().__init__(
            f"The job {job} was stopped before it had learned anything.",
            "Train again with `python manage.py sagemaker-train`.",
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    add_tub_option(parser)
    parser.add_argument("--model", metavar="PATH", help="the new model (default: models/pilot_YY-MM-DD_N)")
    parser.add_argument(
        "--type",
        metavar="TYPE",
        help="linear, categorical, ... as `drive` writes it (default: DEFAULT_MODEL_TYPE)",
    )
    parser.add_argument("--transfer", metavar="MODEL", help="start from this model instead of from scratch")
    parser.add_argument("--comment", metavar="TEXT", help="a note for the pilot database")
    parser.add_argument("--detach", action="store_true", help="return as soon as the job runs")
    parser.add_argument(
        "--attach",
        metavar="JOB",
        nargs="?",
        const="",
        help="continue to watch a job, and install its model (default: the newest pending one)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only show what would be done, and what it would cost; with --debug the request as well",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the result as JSON, as the last line of standard output"
    )
    parser.add_argument("--no-bell", action="store_true", help="do not ring the terminal's bell at the end")
    add_override_options(parser)
    add_setting_options(parser)
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_the_car(arguments, car_path, ui)
    if arguments.attach is not None:
        car.use_backend(find_backend(car, arguments.attach))
    cloud = open_the_cloud(car, trains=arguments.attach is None)
    interrupt_on_hangup()
    announce = Announce(as_json=arguments.json, bell=not arguments.no_bell, dry_run=arguments.dry_run)
    if arguments.attach is not None:
        attach(car, cloud, ui, name=arguments.attach or None, debug=arguments.debug, announce=announce)
        return 0
    options = TrainOptions(
        tub=named_tubs(arguments),
        model=arguments.model,
        model_type=arguments.type,
        transfer=arguments.transfer,
        comment=arguments.comment,
        detach=arguments.detach,
        dry_run=arguments.dry_run,
    )
    train(car, cloud, ui, options, debug=arguments.debug, announce=announce)
    return 0


def train(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    options: TrainOptions,
    *,
    debug: bool = False,
    sleep: Sleep = time.sleep,
    announce: Announce = BY_DEFAULT,
) -> None:
    """From tubs to a model that this car has driven."""
    with detach_on_interrupt() as detaching, announced_end(car, ui, detaching, announce):
        with one_process(car, ui):
            clean_up(car, cloud, ui)
            job = launch(car, cloud, ui, options, detaching=detaching, debug=debug, sleep=sleep)
        if job is None:
            return
        if options.detach:
            ui.print("Attach to it with `python manage.py sagemaker-train --attach`")
            return
        finish(car, cloud, ui, job, detaching=detaching, debug=debug, sleep=sleep)


def launch(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    options: TrainOptions,
    *,
    detaching: Detaching,
    debug: bool = False,
    sleep: Sleep = time.sleep,
) -> Optional[Job]:
    """Plans, uploads and submits.

    Returns:
        the job that runs; None after a dry run.
    """
    check_disk(car.path)
    tubs = read_tubs(car, options.tub)
    plan = make_plan(car, tubs, options)
    ui.print(
        f"Training a {bare_type(plan.model_type)} model for donkeycar {car.runtime.versions['donkeycar']} "
        f"from {', '.join(map(car.display, plan.tubs))}"
    )
    look_at_tubs(car, ui, tubs)
    estimator = Estimator(car, cloud, plan)
    tuning = None
    if options.trials:
        tuning = make_trials(car, plan, options.trials, epochs=estimator.epochs)
        plan = plan._replace(trial_epochs=count_trial_epochs(len(options.trials), tuning["rounds"]))
        estimator = Estimator(car, cloud, plan)
    types, warning = choose_types_with_memory(
        cloud,
        estimator.choose_types(),
        config=with_largest_batch(car.config.values, options.trials),
        model_type=bare_type(plan.model_type),
        are_named=not estimator.is_auto,
    )
    if warning:
        ui.warn(warning)
    images = choose_images(cloud, car.runtime.generation, types)
    files = make_job_files(car, plan, tubs, images=list(images.values()), tuning=tuning)
    name = make_job_name(plan.name, now=time.time(), is_queued=cloud.queue is not None)
    keys = JobKeys(cloud.bucket, car.settings.prefix, name, car.settings.folder)
    requests = make_requests(car, cloud, plan, keys, files, images)
    requests = preflight(cloud, ui, requests, are_named=not estimator.is_auto)
    types = [instance_type(request) for request in requests]
    estimator.report_choice(ui, types)
    if options.dry_run:
        estimator.check_cost(types)
        check_team_budget(car, cloud, requests)
    else:
        estimator.report_price(ui, types)
    uploaded = upload_shards(
        car, cloud, ui, keys, tubs, model_type=bare_type(plan.model_type), dry_run=options.dry_run
    )
    job = make_job(car, plan, keys, requests, files, uploaded, is_named=bool(options.model))
    if options.dry_run:
        cost = estimator.describe_cost(types[0])
        report_dry_run(car, cloud, ui, job, files, uploaded, cost=cost, with_request=debug)
        return None
    return resume_or_submit(car, cloud, ui, job, files, uploaded.sha256s, detaching=detaching, sleep=sleep)


def look_at_tubs(car: Car, ui: PlainUi, tubs: Mapping[str, Tub]) -> None:
    """Prints what a look at some of the driving shows, and decides on SAGEMAKER_SLIDE = "auto"."""
    verdict = review_briefly(tubs)
    if verdict:
        ui.print(f"Review: {verdict}")
    if car.settings.slide == AUTO:
        frames, reason = measure_slide(tubs)
        car.use_slide(frames)
        ui.print(f"SAGEMAKER_SLIDE = {frames}: {reason}")


def attach(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    *,
    name: Optional[str],
    debug: bool = False,
    sleep: Sleep = time.sleep,
    announce: Announce = BY_DEFAULT,
) -> None:
    """Continues with a job that was detached from, here or on another machine, up to the installed model."""
    with one_process(car, ui):
        clean_up(car, cloud, ui)
        job = find_job(car, cloud, ui, name=name)
        ui.print(f"Job {job.name}")
        if find_kept(car, job):
            # Its end was watched, so no network is needed
            with announced_end(car, ui, Detaching(job.name), announce):
                receive(car, cloud, ui, job, known_bill(car, job))
            return
    with detach_on_interrupt(job.name, bill=describe_bill(cloud, job)) as detaching:
        with announced_end(car, ui, detaching, announce):
            finish(car, cloud, ui, job, detaching=detaching, debug=debug, sleep=sleep)


def resume_or_submit(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    job: Job,
    files: JobFiles,
    sha256s: List[str],
    *,
    detaching: Detaching,
    sleep: Sleep = time.sleep,
) -> Job:
    """Finds a job that already trains the same, or starts this one."""
    resumable = find_resumable(car, cloud, job)
    if resumable and resumable.is_started:
        detaching.job, detaching.bill = resumable.job.name, describe_bill(cloud, resumable.job)
        ui.print(f"Job {resumable.job.name} already trains exactly this: attaching to it")
        return resumable.job
    job = resumable.job if resumable else job
    check_team_budget(car, cloud, job.requests)
    return submit(
        car,
        cloud,
        ui,
        job,
        detaching=detaching,
        objects=lambda: objects_to_put(cloud, job, files, sha256s),
        sleep=sleep,
    )


def finish(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    job: Job,
    *,
    detaching: Detaching,
    debug: bool,
    sleep: Sleep,
    needs_check: bool = False,
) -> None:
    """Watches the job, then downloads, checks and installs its model.

    Args:
        needs_check: keep a model aside that nothing on this machine can drive.
    """
    with DrivingProcess(car.path) as driving:

        def on_trained() -> None:
            if find_runtime_or_none():  # otherwise nothing can be driven here
                driving.start()

        job, ended, timing = watch_to_the_end(
            car, cloud, ui, job, detaching=detaching, debug=debug, sleep=sleep, on_trained=on_trained
        )
        bill = report_bill(cloud, ui, ended.state)
        report_kept(ui, job, ended.state)
        if not ended.state.has_model:
            car.ledger.write(job, Outcome(FAILED, bill))
            if ended.state.status == "Stopped":
                raise StoppedWithoutModel(job.name)
            raise TrainingFailed(job.name, ended.state.failure_reason, ended.last_lines)
        with one_process(car, ui):
            if is_installed(car, job):
                ui.print("Another process has installed its model meanwhile.")
                return
            clean_up(car, cloud, ui)  # a process that came in between may have been killed
            receive(car, cloud, ui, job, bill, timing, needs_check=needs_check, driving=driving)


def known_bill(car: Car, job: Job) -> Bill:
    outcome = car.ledger.read(job.name).outcome
    return outcome.bill if outcome else Bill()


def watch_to_the_end(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    job: Job,
    *,
    detaching: Detaching,
    debug: bool,
    sleep: Sleep,
    on_trained: Callable[[], None],
) -> Tuple[Job, Ended, Timing]:
    """Watches this job, or the one that takes its place where no instance of its type was available."""
    while True:
        timing = make_timing(car, job)
        try:
            with name_job_in_errors(job.name, bill=detaching.bill):
                ended = watch(
                    cloud,
                    ui,
                    job.name,
                    whole_log=debug,
                    sleep=sleep,
                    timing=timing,
                    on_trained=on_trained,
                )
        except NoSuchJob:
            car.ledger.remove(job.name)  # interrupted before it was started: there is nothing to attach to
            raise
        untried = untried_requests(job, ended.state)
        if not ended.state.lacks_capacity or not untried:
            return with_type(job, ended.state), ended, timing
        successor = make_successor(job, untried)
        tried = ", ".join(ended.state.candidates) or job.instance_type
        ui.warn(f"no capacity for {tried}: trying {successor.instance_type}")
        with one_process(car, ui):
            successor = submit(car, cloud, ui, successor, detaching=detaching)
            car.ledger.write(job, Outcome(FAILED))
        job = successor


def report_bill(cloud: Cloud, ui: PlainUi, state: JobState) -> Bill:
    """Prints what is billed for a job that has ended."""
    if state.billable_s is None:  # not billed, as on this machine
        times = state.training_started, state.training_ended
        return Bill(took_s=times[1] - times[0] if times[0] and times[1] and not cloud.bills else None)
    cost = make_meter(cloud, state).cost(state.billable_s)
    ui.print(f"Billed {format_seconds(state.billable_s)}{'' if cost is None else f': {format_usd(cost)}'}")
    took_s = state.billable_s if state.training_s is None else state.training_s
    return Bill(billed_s=state.billable_s, took_s=took_s, cost_usd=cost)
