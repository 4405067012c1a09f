"""The demo's closed loop: from pictures to commands to positions, and back to pictures."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Tuple

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "demo")
)

import closed_loop  # noqa: E402
import film  # noqa: E402
from closed_loop import COURSES, NO_SESSION  # noqa: E402
from driver import LOOP_S, MIN_THROTTLE, State  # noqa: E402
from laps import KICK_TURN, Laps, Moment, ahead, drive, summarize  # noqa: E402
from scene import Scene  # noqa: E402
from surface import Lighting  # noqa: E402
from track import LANE_M, Track  # noqa: E402


@pytest.fixture(scope="module")
def track() -> Track:
    return Track(1)


@pytest.fixture(scope="module")
def scene(track: Track) -> Scene:
    return Scene(track, seed=1, lighting=Lighting(unevenness=0.0, shadow=0.0, noise=0.0))


def follow_the_yellow_line(picture: Any) -> Tuple[float, float]:
    """Steers towards the centre line in the picture, without a net."""
    red, green, blue = picture[40:75].astype(int).transpose(2, 0, 1)
    columns = np.nonzero((red > blue + 40) & (green > blue + 25) & (red > 90))[1]
    return (float(np.median(columns)) - 80) / 50 if len(columns) else 0.0, 0.3


def test_a_pilot_that_follows_the_line_drives_laps(track: Track, scene: Scene) -> None:
    """It drives once around from the pictures alone, without leaving the lane."""
    moments = drive(follow_the_yellow_line, track, scene, laps=1.0)
    laps = summarize(moments, track)
    assert 1.0 <= laps.laps < 1.01 and laps.times_off == 0
    assert laps.seconds == pytest.approx(len(moments) * LOOP_S)
    assert laps.mean_distance_m < laps.largest_distance_m < LANE_M / 2


def test_a_car_that_leaves_the_lane_is_placed_back_and_counted(track: Track, scene: Scene) -> None:
    """It continues from the centre of the lane, where it left it."""
    moments = drive(lambda picture: (0.0, 0.4), track, scene, laps=0.5)
    off = [number for number, moment in enumerate(moments) if moment.is_off]
    assert summarize(moments, track).times_off == len(off) > 2
    for number in off[:-1]:
        assert abs(moments[number].offset) > LANE_M / 2
        after = moments[number + 1]
        assert abs(after.offset) < 0.01
        assert after.arc == pytest.approx(moments[number].arc, abs=0.03)


def test_a_car_that_stands_still_does_not_drive_for_ever(track: Track, scene: Scene) -> None:
    """A drive ends even if the pilot's throttle is never above 0."""
    moments = drive(lambda picture: (0.0, -1.0), track, scene, laps=0.02)
    assert 10 < len(moments) < 100 and summarize(moments, track).laps < 0.02


def test_a_command_takes_effect_after_the_latency(track: Track, scene: Scene) -> None:
    """As in a car whose camera and pilot take time."""
    numbers = iter(range(1000))
    moments = drive(lambda picture: (next(numbers) / 1000, 0.3), track, scene, laps=0.02, latency=2)
    assert [moment.angle for moment in moments[:5]] == [0.0, 0.0, 0.0, 0.001, 0.002]
    assert moments[0].throttle == MIN_THROTTLE and moments[2].throttle == 0.3


def test_kicks_put_the_car_beside_the_line(track: Track, scene: Scene) -> None:
    """At the set times, to both sides, inside of the lane, and the same for every pilot."""

    def kicked(angle: float) -> Any:
        moments = drive(lambda picture: (angle, 0.3), track, scene, laps=0.4, kick_every=5, seed=1)
        return [(m.offset, m.state.heading - track.point(m.arc)[2]) for m in moments[5::5]], moments

    tasks, moments = kicked(0.0)
    others, _ = kicked(0.1)
    assert len(tasks) > 10 and abs(moments[4].offset) < 0.1
    sides = [(round(offset, 1), round(turn / KICK_TURN)) for offset, turn in tasks]
    assert set(sides) == {(-0.2, -1), (-0.2, 1), (0.2, -1), (0.2, 1)}
    assert [round(offset, 1) for offset, _ in others[: len(tasks)]] == [side for side, _ in sides][
        : len(others)
    ]


def test_a_seed_determines_the_play_in_the_steering(track: Track, scene: Scene) -> None:
    """The same seed gives the same drive, another seed another one."""

    def end(**options: Any) -> State:
        return drive(lambda picture: (0.0, 0.3), track, scene, laps=0.03, **options)[-1].state

    assert end(noise=0.2, seed=1) == end(noise=0.2, seed=1)
    assert end(noise=0.2, seed=1) != end(noise=0.2, seed=2) != end(noise=0.0)


@pytest.mark.parametrize(
    "option, message",
    [
        ("--latency=-1", "--latency is -1, but it must be 0 or more"),
        ("--noise=-0.5", "--noise is -0.5, but it must be 0 or more"),
    ],
)
def test_invalid_options(option: str, message: str, capsys: "pytest.CaptureFixture[str]") -> None:
    """An invalid option is an error before anything is loaded."""
    with pytest.raises(SystemExit) as end:
        closed_loop.main(["--car=x", "--model=x", "--type=linear", option])
    assert end.value.code == 2 and capsys.readouterr().err.endswith(f"error: {message}\n")


def test_distances_across_the_start_of_the_lap(track: Track) -> None:
    """Forwards is positive and backwards negative there, too."""
    assert ahead(track, track.length - 0.1, 0.2) == pytest.approx(0.3)
    assert ahead(track, 0.2, track.length - 0.1) == pytest.approx(-0.3)


def test_the_summary_of_a_drive() -> None:
    """What `make demo` prints."""
    assert str(Laps(3.0, 46.6, 0.0134, 0.0398, 0)) == (
        "3.0 laps in 47 s, never off the track; 1.3 cm from the centre line on average, 4.0 cm at most"
    )
    assert "1 time off the track" in str(Laps(3.0, 46.6, 0.0134, 0.4, 1))
    assert "2 times off the track" in str(Laps(3.0, 46.6, 0.0134, 0.4, 2))


def test_the_courses_match_their_names() -> None:
    """One course is as recorded, one in a direction that was not recorded, two in rooms that were not."""
    assert [(course.reverse, course.session) for course in COURSES] == [
        (False, 0),
        (True, NO_SESSION),
        (False, NO_SESSION),
    ]


def test_a_map_shows_path_and_exits(track: Track) -> None:
    """Each drive has a panel with its path, and a cross wherever the car left the lane."""
    straight = [
        Moment(State(*track.point(arc), speed=1.0), arc, 0.0, 0.0, 0.3, False) for arc in (0.1, 0.5, 0.9)
    ]
    off = [straight[0], straight[1]._replace(is_off=True), straight[2]]
    clean = film.draw_maps([("clean", track, straight)])
    both = film.draw_maps([("clean", track, straight), ("off", track, off)])
    assert clean.size == (film.PANEL, film.PANEL + 20) and both.size == (2 * film.PANEL, film.PANEL + 20)
    near = [tuple(abs(np.array(colour) - film.OFF) < 60) for _, colour in clean.getcolors(1 << 16)]
    assert (True, True, True) not in near
    near = [tuple(abs(np.array(colour) - film.OFF) < 60) for _, colour in both.getcolors(1 << 16)]
    assert (True, True, True) in near


def test_a_film_is_one_lap(track: Track, scene: Scene, tmp_path: Path) -> None:
    """It shows one lap of a longer drive, in real time."""
    reel = film.Film()
    every = int(film.FRAME_S / LOOP_S)
    picture = scene.picture(*track.point(0.0))
    for number in range(30 * every):
        arc = number / every / 20 * track.length % track.length  # a lap is 20 pictures
        reel.add(picture, Moment(State(*track.point(arc), speed=1.0), arc, 0.0, 0.5, 0.3, False))
    reel.save(str(tmp_path / "lap.gif"), track=track)
    with Image.open(str(tmp_path / "lap.gif")) as gif:
        assert gif.n_frames in (20, 21) and gif.size == (560, 240)
        assert gif.info["duration"] == 200


def test_the_pilot_is_donkeycars_own(tmp_path: Path) -> None:
    """It returns the same angle and throttle as the part in the car."""
    donkeycar = pytest.importorskip("donkeycar")
    pytest.importorskip("tensorflow")
    keras = pytest.importorskip("donkeycar.parts.keras")
    from pilot import load_pilot

    template = os.path.join(os.path.dirname(donkeycar.__file__), "templates")
    name = (
        "cfg_complete.py"
        if os.path.exists(os.path.join(template, "cfg_complete.py"))
        else "config_defaults.py"
    )
    shutil.copy(os.path.join(template, name), str(tmp_path / "config.py"))
    own = keras.KerasLinear()
    path = str(tmp_path / "model.h5")
    (own.interpreter if hasattr(own, "interpreter") else own).model.save(path)
    picture = np.random.RandomState(1).randint(0, 256, (120, 160, 3)).astype(np.uint8)
    run = load_pilot(str(tmp_path), path, "linear")
    assert run(picture) == pytest.approx([float(command) for command in own.run(picture)], abs=1e-5)
