"""How a model drives along its owner's tub, as its trainer measured it. The trainer uses it as well."""

from typing import Any, List, NamedTuple, Optional

MOST_METRES = 1e5
MOST_PLACES = 5
MOST_TEXT = 1000  # letters of a path


class DrivingPlace(NamedTuple):
    """Where a model leaves the lane."""

    tub: str  # the path that its owner typed
    record: int  # its index
    times: int


class Driving(NamedTuple):
    """What a model drove."""

    metres: float
    times_off: int  # times that it left the lane, and was placed back on the line
    mean_distance_m: float  # from the line
    lane_m: float  # width of the lane
    latency_frames: int
    held_out: bool  # it was not trained on this part of the tub
    starts: int
    places: List[DrivingPlace]  # the worst ones first

    @property
    def times_off_per_100_m(self) -> float:
        return 100 * self.times_off / self.metres


def read_driving(values: Any) -> Optional[Driving]:
    """From artifact.json, which anybody may have written; None without numbers that make sense.

    Artifacts of earlier trainers, and of models that cannot drive there, have none.
    """
    try:
        if not isinstance(values["held_out"], bool):
            return None
        return Driving(
            metres=_number(values["metres"], least=1.0, most=MOST_METRES),
            times_off=_whole(values["times_off"]),
            mean_distance_m=_number(values["mean_distance_m"], least=0.0, most=MOST_METRES),
            lane_m=_number(values["lane_m"], least=0.01, most=MOST_METRES),
            latency_frames=_whole(values["latency_frames"]),
            held_out=values["held_out"],
            starts=_whole(values["starts"]),
            places=[
                DrivingPlace(_text(place["tub"]), _whole(place["index"]), _whole(place["times"]))
                for place in values["places"][:MOST_PLACES]
            ],
        )
    except (KeyError, TypeError, ValueError):
        return None


def describe_driving(driving: Driving) -> str:
    """One plain sentence, and a second one where it needs a warning."""
    times = driving.times_off_per_100_m
    often = (
        "would not leave the line"
        if driving.times_off == 0
        else f"would leave the line {times:.1f} times in 100 m"
    )
    text = (
        f"On your own tub, it {often}, and drive {100 * driving.mean_distance_m:.0f} cm beside it on average"
        f" (kicked off it {driving.starts} times; the lane is {driving.lane_m:g} m wide)"
    )
    if not driving.held_out:
        text += ". It was trained on this part of the tub, which flatters it"
    return text


def _number(value: Any, *, least: float, most: float) -> float:
    """
    Raises:
        ValueError: it is not a number in this range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError(f"not a number: {value!r:.50}")
    return float(value)


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"not a whole number: {value!r:.50}")
    return int(_number(value, least=0, most=2**53))


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT or not value.isprintable():
        raise ValueError("not a path")
    return value
