"""The table of everything that the review can find."""

from typing import Dict, NamedTuple


class Kind(NamedTuple):
    """A row of the table of what can be found."""

    title: str
    effect: str  # what it costs the model
    advice: str  # what to do
    deletable: bool = True  # whether deleting these records is what to do


KINDS: Dict[str, Kind] = {
    "autopilot": Kind(
        "driven by the autopilot",
        "the model would learn from another model, or from an idle stick",
        "nothing: training skips them (SAGEMAKER_AUTOPILOT)",
    ),
    "late": Kind(
        "late commands",
        "the model learns to steer too late, and swings from side to side",
        'set SAGEMAKER_SLIDE = "auto", or to this number of frames',
        deletable=False,
    ),
    "still": Kind("standing still", "the model learns to stop where nothing is in its way", "delete them"),
    "stuck": Kind(
        "stuck or collided",
        "the model learns to run into an obstacle, and to drive on against it",
        "delete them",
    ),
    "carried": Kind(
        "carried or pushed by hand", "the model sees places that it never drives at", "delete them"
    ),
    "backwards": Kind(
        "driving backwards", "the model learns to reverse where it should drive on", "delete them"
    ),
    "frozen": Kind(
        "frozen camera",
        "one picture is taught with many different commands",
        "delete them; check the camera's cable and the processor's load",
    ),
    "duplicate": Kind(
        "the same records twice",
        "they count double, and validation tests what was trained on",
        "delete one of the copies",
    ),
    "covered": Kind(
        "covered or fogged lens",
        "there is nothing in the picture to learn from",
        "delete them; clean the lens",
    ),
    "blurred": Kind(
        "blurred pictures", "the lane is hard to see", "delete them; focus the lens and fix the camera"
    ),
    "dark": Kind("too dark", "the lane is hard to see", "delete them, or record in more light"),
    "bright": Kind("too bright", "the lane is hard to see", "delete them, or lower the camera's exposure"),
    "moved": Kind(
        "camera was moved",
        "the same place looks different before and after",
        "fix the camera, and delete the part that differs from how it is mounted now",
    ),
    "contradictory": Kind(
        "opposite commands for nearly the same picture",
        "the model learns the middle of the two, which is often straight ahead",
        "look at the pictures, and delete the wrong ones",
    ),
    "jitter": Kind(
        "jittery steering", "the model learns noise", "delete them; check the stick and the radio"
    ),
    "saturated": Kind(
        "steering at its end stop",
        "the model learns all or nothing, and swings from side to side",
        "drive slower, or use a stick that steers gradually",
        deletable=False,
    ),
    "dead zone": Kind(
        "dead zone of the stick",
        "the model never learns small corrections",
        "lower JOYSTICK_DEADZONE, or calibrate the stick",
        deletable=False,
    ),
    "constant throttle": Kind(
        "constant throttle",
        "the model cannot learn when to slow down",
        "nothing, if that is how it shall drive",
        deletable=False,
    ),
    "one direction": Kind(
        "one direction only",
        "the model turns better to one side than to the other",
        "record the other direction as well",
        deletable=False,
    ),
    "straight": Kind(
        "straight ahead only", "the model never learns to steer", "record bends as well", deletable=False
    ),
    "no recoveries": Kind(
        "no pictures from beside the line",
        "the model never learns to return to its line, once something has pushed it off",
        'record how you return to the line, or set SAGEMAKER_RECIPE = "robust"',
        deletable=False,
    ),
}
