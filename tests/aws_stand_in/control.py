"""The control interface for tests: POST /stand-in/VERB with JSON arguments returns JSON."""

import json
import time
import traceback
from typing import Any, Callable, Dict

from . import messages
from .account import ACCESS_KEY, ACCOUNT_ID, BUCKET, REGION, ROLE_ARN
from .aws_error import Response
from .world import World

PATH = "/stand-in/"
WAIT_S = 60.0  # of real time, for a job


def handle(world: World, verb: str, body: bytes) -> Response:
    try:
        result = VERBS[verb](world, **json.loads(body))
        return Response(200, {"Content-Type": "application/json"}, json.dumps(result).encode())
    except Exception:  # noqa: BLE001
        # A mistake in a test: the traceback shows it.
        return Response(500, {"Content-Type": "text/plain"}, traceback.format_exc().encode())


def reset(world: World) -> Dict[str, str]:
    """Resets everything and returns what a client needs to know."""
    world.reset()
    return {
        "account_id": ACCOUNT_ID,
        "region": REGION,
        "bucket": BUCKET,
        "role_arn": ROLE_ARN,
        "access_key": ACCESS_KEY,
    }


def wait_for_job(world: World, name: str, phase: str) -> Dict[str, Any]:
    """Returns the description of a job once it has reached that secondary status or has ended."""
    job = world.training.find(name)
    give_up = time.monotonic() + WAIT_S
    while time.monotonic() < give_up:
        over = job.over.wait(0.01)
        state = job.describe()
        if over or any(each["Status"] == phase for each in state["SecondaryStatusTransitions"]):
            return state
    raise ValueError(f"{name} has not come to {phase} in {WAIT_S} s")


VERBS: Dict[str, Callable[..., Any]] = {
    "reset": reset,
    "set": lambda world, **values: world.account.set(**values),
    "fault": lambda world, **rule: world.faults.add(rule),
    "clear_faults": lambda world: world.faults.clear(),
    "image": lambda world, **image: world.images.name(**image),
    "push_image": lambda world, **image: world.push_image(**image),
    "advance": lambda world, seconds: world.clock.advance(seconds),
    "speed": lambda world, factor: world.clock.run_at(factor),
    "interrupt": lambda world, name: world.training.find(name).interrupt(),
    "wait_for_job": wait_for_job,
    "permissions": lambda world: world.account.used_permissions,
    "mails": lambda world: messages.read_mails(),
    "confirm_email": lambda world, address: messages.confirm(address),
    "requests": lambda world: world.records(),
}
