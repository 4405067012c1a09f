"""`sagemaker-train --dry-run`: what a training would do, and with --debug also what would be sent."""

import json
from typing import Dict, Optional

from ..car.car import Car
from ..car.job import Job
from ..car.launch_file import make_launch_file
from ..car.runtime import bare_type
from ..cloud.cloud import Cloud
from ..ui import PlainUi, format_bytes, format_count, format_seconds
from .estimate import describe_no_price
from .install import existing_models
from .job_files import JobFiles, objects_to_put
from .launch import instance_type
from .upload import Uploaded


def report_dry_run(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    job: Job,
    files: JobFiles,
    uploaded: Uploaded,
    *,
    cost: Optional[str],
    with_request: bool,
) -> None:
    """
    Args:
        cost: in words; None where it is not known.
        with_request: print also the request and each object that would be stored.
    """
    objects = objects_to_put(cloud, job, files, uploaded.sha256s)
    objects[job.keys.launch] = make_launch_file(job, car)
    sizes = dict(uploaded.bytes_by_key)
    sizes.update({key: len(body) for key, body in objects.items()})
    place = car.display(cloud.disk_path) if cloud.disk_path else f"s3://{job.bucket}/{job.prefix}"
    if with_request:
        _print_request(ui, job, sizes, place)
    plan = job.plan
    epochs = f", at most {format_count(plan.max_epochs, 'epoch')}" if plan.max_epochs else ""
    sent = sum(uploaded.bytes_by_key.values())
    records = f"{format_bytes(sent)} of it records" if sent else "and the records are there already"
    paths = ", ".join(car.display(plan.base + ending) for ending, _form in plan.models)
    replaced = ", ".join(car.display(model.path) for model in existing_models(plan))
    limit = format_seconds(car.settings.max_runtime_s)
    trials = f", after {plan.trial_epochs} of trials" if plan.trial_epochs else ""
    rows = [
        ("training", f"{bare_type(plan.model_type)}, {plan.records} records{epochs}{trials}"),
        ("where", f"{_describe_place(cloud, job)}, stopped after {limit}"),
        ("stores", f"{format_bytes(sum(sizes.values()))} in {place}, {records}"),
        ("costs", _describe_cost(cloud, job, cost)),
        ("model", paths),
        ("replaces", f"{replaced} (`sagemaker-rollback` brings it back)" if replaced else "nothing"),
    ]
    for title, text in rows:
        ui.print(f"{title:<10}{text}", hang=10)
    more = "" if with_request else " Add --debug to see the request and every file."
    ui.print(f"This was a dry run: nothing was sent or changed.{more}")


def _describe_place(cloud: Cloud, job: Job) -> str:
    if not cloud.bills:
        return cloud.place
    first, *others = [instance_type(request) for request in job.requests]
    count = job.requests[0]["ResourceConfig"]["InstanceCount"]
    market = "spot" if job.requests[0].get("EnableManagedSpotTraining") else "on-demand"
    article = str(count) if count > 1 else "a" if market == "spot" else "an"
    fallback = f" (without capacity: {', '.join(others)})" if others else ""
    return f"{cloud.place}, {article} {market} {first}{fallback}"


def _describe_cost(cloud: Cloud, job: Job, cost: Optional[str]) -> str:
    if cloud.bills:
        return cost or describe_no_price(instance_type(job.requests[0]))
    return f"nothing. {cost}" if cost else "nothing"


def _print_request(ui: PlainUi, job: Job, sizes: Dict[str, int], place: str) -> None:
    ui.print_exactly(json.dumps(job.requests[0], indent=2, sort_keys=True))
    for request in job.requests[1:]:
        ui.print(f"If that type is not available, the same with {instance_type(request)}")
    ui.print(f"To {place}, {format_bytes(sum(sizes.values()))}:")
    for key, size in sizes.items():
        ui.print_exactly(f"  {format_bytes(size):>10}  {key}")
