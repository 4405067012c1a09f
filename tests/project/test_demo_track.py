"""The demo's track, camera and driver, and the tubs made with them."""

import glob
import json
import math
import os
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

pytest.importorskip("numpy")
pytest.importorskip("PIL.Image")

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "demo")
)

import numpy as np
from PIL import Image

import draw_tub
import driver
import track as track_module
import tub_writer
from scene import Camera, Scene
from surface import SURFACES, Lighting, Surface
from track import Track

EVEN_LIGHT = Lighting(unevenness=0.0, shadow=0.0, noise=0.0)


@pytest.fixture(scope="module")
def track() -> Track:
    return Track(1)


@pytest.fixture(scope="module")
def scene(track: Track) -> Scene:
    return Scene(track, seed=1, lighting=EVEN_LIGHT)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small v2 tub with all columns."""
    path = str(tmp_path_factory.mktemp("drawn") / "data")
    assert draw_tub.main(["--out", path, "--records", "1010", "--seed", "3", "--extras"]) == 0
    return path


def read_lines(path: str) -> List[Any]:
    with open(path) as file:
        return [json.loads(line) for line in file]


def yellow(picture: np.ndarray) -> np.ndarray:
    """Where a picture shows the centre line."""
    red, green, blue = picture.astype(int).transpose(2, 0, 1)
    shown: np.ndarray = (red > blue + 40) & (green > blue + 25) & (red > 90)
    return shown


def tree(folder: str) -> Dict[str, bytes]:
    """Every file's bytes by its path."""
    found = {}
    for path in glob.glob(os.path.join(folder, "**"), recursive=True):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


@pytest.mark.parametrize("seed", range(8))
def test_a_track_is_wide_and_gentle_enough_to_be_driven(seed: int) -> None:
    """Every seed gives a closed, even line that bends gently in both directions and never meets itself."""
    track = Track(seed)
    gaps = np.hypot(*(np.roll(track.centre, -1, axis=0) - track.centre).T)
    assert abs(gaps - track_module.POINT_M).max() < 0.002
    assert 10 < track.length < 30
    assert track.curvature.min() < -0.3 and track.curvature.max() > 0.3
    assert abs(track.curvature).max() <= 1 / track_module.MIN_RADIUS_M
    for arc in np.arange(0, track.length, 0.5):
        assert track.distance_to_centre(*track.point(arc, offset=0.5)[:2])[0] == pytest.approx(0.5, abs=0.01)


def test_a_seed_determines_the_track() -> None:
    """The same seed gives the same track, another seed another one, and reversing turns it round."""
    assert np.array_equal(Track(5).centre, Track(5).centre)
    assert Track(5).length != Track(6).length
    assert np.array_equal(Track(5, reverse=True).centre, Track(5).centre[::-1])
    assert Track(5, reverse=True).curvature == pytest.approx(-Track(5).curvature[::-1])


def test_total_curvature_has_donkeycars_sign(track: Track) -> None:
    """A lap turns once to the left in total, which is negative."""
    assert track.curvature.sum() * track_module.POINT_M == pytest.approx(-2 * math.pi, rel=0.01)


@pytest.mark.parametrize("offset", [-0.3, 0.0, 0.2])
def test_distance_to_centre_undoes_point(track: Track, offset: float) -> None:
    """A point made from an arc position and an offset has that arc position and that offset."""
    for arc in (0.005, 3.0, 7.77, track.length - 0.5):
        x, y, _ = track.point(arc, offset=offset)
        found_offset, found_arc = track.distance_to_centre(x, y)
        assert found_offset == pytest.approx(offset, abs=0.005)
        assert found_arc == pytest.approx(arc, abs=0.03)


def test_a_picture_shows_floor_lines_and_wall(track: Track, scene: Scene) -> None:
    """From the centre of the lane, the picture shows a white line on either side and a yellow one between."""
    straight = track.arc[np.argmin(np.convolve(abs(track.curvature), np.ones(50), "same"))] - 0.5
    picture = scene.picture(*track.point(straight))
    assert picture.shape == (120, 160, 3) and picture.dtype == np.uint8
    near = picture[70:90]
    white = near.min(axis=2) > 160
    assert white[:, :60].any() and white[:, 100:].any() and not white[:, 60:100].any()
    columns = np.nonzero(yellow(picture)[40:])[1]
    assert len(columns) > 50 and abs(np.median(columns) - 80) < 12
    assert picture[:30].std() > 5  # the wall is not a plain sky


@pytest.mark.parametrize("lap", [0.0, 0.2, 0.4, 0.6, 0.8])
def test_a_picture_moves_as_the_car_turns(track: Track, scene: Scene, lap: float) -> None:
    """A car that turns left sees the centre line and the wall further right, wherever it heads."""
    x, y, heading = track.point(lap * track.length)
    left, middle, right = (scene.picture(x, y, heading + turn).astype(int) for turn in (0.2, 0.0, -0.2))
    seen = [np.nonzero(yellow(picture)[45:80])[1].mean() for picture in (left, middle, right)]
    assert seen[0] > seen[1] + 4 and seen[1] > seen[2] + 4
    shifts = range(-25, 26)
    unlike = [abs(left[:30, 40 + shift : 120 + shift] - middle[:30, 40:120]).sum() for shift in shifts]
    assert 8 < shifts[int(np.argmin(unlike))] < 20  # 0.2 at 67 pixels a radian


@pytest.mark.parametrize("lap", [0.0, 0.2, 0.4, 0.6, 0.8])
def test_a_car_at_the_side_sees_the_lane_on_the_other(track: Track, scene: Scene, lap: float) -> None:
    """From left of the centre, the near centre line is seen right of the middle."""
    for offset in (-0.1, 0.1):
        near = np.nonzero(yellow(scene.picture(*track.point(lap * track.length, offset=offset)))[75:])[1]
        assert (near.mean() - 80) * offset < -1


def test_the_lane_goes_where_the_driver_steers(track: Track, scene: Scene) -> None:
    """In a left bend the far lane lies left and the angle is negative, in a right bend both are right."""
    for bend, side in ((np.argmin(track.curvature), -1), (np.argmax(track.curvature), 1)):
        pose = track.point(track.arc[bend] - 0.3)
        far = np.nonzero(yellow(scene.picture(*pose))[42:60])[1]
        assert side * (far.mean() - 80) > 5
        assert side * driver.pursue(track, driver.State(*pose, speed=1.0)) > 0.2


def test_pictures_come_from_the_seed(track: Track) -> None:
    """The same seed draws the same pictures, another one other walls, floor and light."""
    pose = track.point(1.0)
    first, again, other = (Scene(track, seed=seed).picture(*pose) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert abs(first.astype(int) - other).mean() > 5


def test_lighting_is_seen(track: Track, scene: Scene) -> None:
    """Half the light is half as bright a picture, and noise makes two pictures of one place differ."""
    pose = track.point(1.0)
    dim = Scene(track, seed=1, lighting=EVEN_LIGHT._replace(brightness=0.5)).picture(*pose)
    assert dim.mean() / scene.picture(*pose).mean() == pytest.approx(0.5, abs=0.05)
    assert np.array_equal(scene.picture(*pose), scene.picture(*pose))
    noisy = Scene(track, seed=1, lighting=EVEN_LIGHT._replace(noise=5.0))
    difference = noisy.picture(*pose).astype(int) - noisy.picture(*pose)
    assert 5 < difference.std() < 9


@pytest.mark.parametrize("name", [name for name in SURFACES if name != "road"])
def test_other_surfaces_mark_the_same_lane(track: Track, name: str) -> None:
    """On a straight part, a picture from 10 cm further left shows the marks further right."""
    surface = SURFACES[name]._replace(is_carpet=False)
    bare = Surface(border_m=0, centre_m=0, is_paved=False)
    straight = track.arc[int(np.argmin(np.convolve(np.abs(track.curvature), np.ones(100), "same")))]

    def marks(offset: float) -> np.ndarray:
        """How many pixels of each column in some rows ahead show a mark."""
        pose = track.point(straight, offset=offset)
        drawn, plain = (
            Scene(track, seed=1, surface=each, lighting=EVEN_LIGHT).picture(*pose)[60:70].astype(int)
            for each in (surface, bare)
        )
        counts: np.ndarray = (np.abs(drawn - plain).max(axis=2) > 30).sum(axis=0)
        return counts

    middle, from_left = marks(0.0), marks(-0.1)
    assert 10 < middle.sum() < 1200
    shifts = range(-30, 31)
    agreement = [float((np.roll(middle, shift) * from_left).sum()) for shift in shifts]
    assert 8 <= shifts[int(np.argmax(agreement))] <= 30


def test_walls_hide_what_is_behind_them(track: Track) -> None:
    """A low wall ends below the horizon, and its top is the brightest part of it."""
    pose = track.point(1.0)
    walls = SURFACES["walls"]
    bare, walled = (
        Scene(track, seed=1, surface=each, lighting=EVEN_LIGHT).picture(*pose).astype(int)
        for each in (walls._replace(has_walls=False), walls)
    )
    differs = np.abs(walled - bare).max(axis=2) > 30
    assert not differs[:30].any()
    assert differs[45:].mean() > 0.1
    assert walled[differs].mean() > bare[differs].mean() + 50


def test_other_picture_sizes(track: Track, scene: Scene) -> None:
    """A camera of twice the size sees the same in more pixels."""
    pose = track.point(4.0)
    big = Scene(track, seed=1, lighting=EVEN_LIGHT, camera=Camera(width=320, height=240)).picture(*pose)
    assert big.shape == (240, 320, 3)
    small = big.reshape(120, 2, 160, 2, 3).mean(axis=(1, 3))
    assert abs(small - scene.picture(*pose)).mean() < 6


def test_the_car_turns_as_it_is_steered() -> None:
    """Full right at a steady speed is a circle of the model's radius, and the angle is limited to 1."""
    state = driver.State(0.0, 0.0, 0.0, 1.5)
    after = driver.step(state, 1.0, 0.5, 0.05)
    assert after == driver.step(state, 3.0, 0.5, 0.05)
    radius = driver.WHEELBASE_M / math.tan(driver.MAX_STEER)
    assert after.heading == pytest.approx(-1.5 * 0.05 / radius)
    assert after.y < 0 < after.x and after.speed == 1.5
    assert driver.step(state, 0.0, 1.0, 0.05).speed == pytest.approx(1.75)


@pytest.mark.parametrize("behaviors", [False, True])
@pytest.mark.parametrize("latency", [0, 2])
@pytest.mark.parametrize("seed", range(4))
def test_the_driver_stays_on_the_lane(seed: int, latency: int, behaviors: bool) -> None:
    """Pushed for minutes, the car never leaves the lane and uses the range of its steering."""
    track = Track(seed, reverse=seed % 2 == 1)
    frames = list(driver.drive(track, seed=seed, frames=1500, latency=latency, behaviors=behaviors))
    assert len(frames) == 1500
    offsets = np.array([frame.offset for frame in frames])
    assert abs(offsets).max() < track_module.LANE_M / 2
    assert offsets.std() > 0.05  # there is something to recover from
    angles = np.array([frame.angle for frame in frames])
    assert 0.25 < angles.std() < 0.6 and abs(angles).max() <= 1
    throttles = np.array([frame.throttle for frame in frames])
    assert throttles.min() >= 0.2 and throttles.max() <= 0.6 and throttles.std() > 0.03
    assert sum(frame.state.speed for frame in frames) * driver.LOOP_S > 3 * track.length


def test_a_driver_without_pushes_stays_on_the_line(track: Track) -> None:
    """Such a tub shows no recovery at all."""
    offsets = [frame.offset for frame in driver.drive(track, seed=1, frames=600, push_size=0.0)]
    assert np.abs(offsets).max() < 0.06 and np.std(offsets) < 0.03


@pytest.mark.parametrize("latency", [0, 2])
def test_the_recorded_angle_belongs_to_the_picture(track: Track, latency: int) -> None:
    """The recorded steering is the one for the picture `latency` frames before, without the push."""
    frames = list(driver.drive(track, seed=1, frames=50, latency=latency))
    assert [frame.angle for frame in frames[:latency]] == [0.0] * latency
    for seen, recorded in zip(frames, frames[latency:]):
        assert recorded.angle == driver.pursue(track, seen.state)


def test_behaviors_drive_on_their_side(track: Track) -> None:
    """State 0 drives left of the centre and state 1 right of it."""
    frames = list(driver.drive(track, seed=1, frames=1200, behaviors=True))
    sides = [np.mean([frame.offset for frame in frames if frame.behavior == state]) for state in (0, 1)]
    assert sides[0] < -0.03 and sides[1] > 0.03


def test_v2_tub(drawn: str) -> None:
    """The manifest, the catalogs and their manifests agree with each other and with the pictures."""
    manifest = read_lines(os.path.join(drawn, "manifest.json"))
    assert manifest[0][:4] == ["cam/image_array", "user/angle", "user/throttle", "user/mode"]
    assert manifest[1] == ["image_array", "float", "float", "str"] + ["float"] * 6 + ["vector", "int"]
    sessions = ["26-01-01_0", "26-01-01_1", "26-01-01_2", "26-01-01_3"]
    assert manifest[2:] == [
        {},
        {
            "created_at": 1767268800.0,
            "sessions": {"all_full_ids": sessions, "last_id": 3, "last_full_id": "26-01-01_3"},
        },
        {
            "paths": ["catalog_0.catalog", "catalog_1.catalog"],
            "current_index": 1010,
            "max_len": 1000,
            "deleted_indexes": [],
        },
    ]
    records = []
    for name, start in (("catalog_0.catalog", 0), ("catalog_1.catalog", 1000)):
        with open(os.path.join(drawn, name), "rb") as file:
            lengths = [len(line) for line in file]
        (about,) = read_lines(os.path.join(drawn, name + "_manifest"))
        assert about == {
            "path": name + "_manifest",
            "created_at": 1767268800.0,
            "start_index": start,
            "line_lengths": lengths,
        }
        records += read_lines(os.path.join(drawn, name))
    assert [record["_index"] for record in records] == list(range(1010))
    assert sorted({record["_session_id"] for record in records}) == sessions
    times = [record["_timestamp_ms"] for record in records]
    assert times == sorted(times) and times[1] - times[0] == 50
    assert all(
        set(record) == set(manifest[0]) | {"_index", "_session_id", "_timestamp_ms"} for record in records
    )
    pictures = [f"{index}_cam_image_array_.jpg" for index in range(1010)]
    assert [record["cam/image_array"] for record in records] == pictures
    assert sorted(os.listdir(os.path.join(drawn, "images"))) == sorted(pictures)
    with Image.open(os.path.join(drawn, "images", pictures[-1])) as picture:
        assert picture.size == (160, 120) and picture.mode == "RGB" and picture.format == "JPEG"


def test_extra_columns_are_plausible(drawn: str) -> None:
    """Gravity points down, both states and all locations occur, and the car turns as it is steered."""
    records = read_lines(os.path.join(drawn, "catalog_0.catalog"))
    assert np.mean([record["imu/acl_z"] for record in records]) == pytest.approx(9.81, abs=0.1)
    turning = [record["imu/gyr_z"] for record in records]
    assert np.corrcoef(turning, [record["user/angle"] for record in records])[0, 1] < -0.4
    assert {tuple(record["behavior/one_hot_state_array"]) for record in records} == {(1.0, 0.0), (0.0, 1.0)}
    assert {record["localizer/location"] for record in records} == set(range(8))


def test_v1_tubs(tmp_path: Path) -> None:
    """Each session is a tub with its meta.json, records and pictures side by side."""
    out = tmp_path / "data"
    assert draw_tub.main(["--out", str(out), "--records", "9", "--layout", "v1", "--day", "18-05-04"]) == 0
    assert sorted(os.listdir(str(out))) == [f"tub_{number}_18-05-04" for number in (1, 2, 3, 4)]
    (meta,) = read_lines(str(out / "tub_1_18-05-04" / "meta.json"))
    assert meta == {
        "inputs": ["cam/image_array", "user/angle", "user/throttle", "user/mode"],
        "types": ["image_array", "float", "float", "str"],
        "start": 1525435200.0,
    }
    tub = str(out / "tub_1_18-05-04")
    names = [f"{index}_cam-image_array_.jpg" for index in range(3)]
    names += [f"record_{index}.json" for index in range(3)]
    assert sorted(os.listdir(tub)) == sorted(names + ["meta.json"])
    (record,) = read_lines(os.path.join(tub, "record_2.json"))
    assert set(record) == set(meta["inputs"]) | {"milliseconds"}
    assert record["cam/image_array"] == "2_cam-image_array_.jpg"
    assert record["user/mode"] == "user" and record["milliseconds"] == 100
    assert len(os.listdir(str(out / "tub_4_18-05-04"))) == 5


def test_the_same_options_give_the_same_bytes(tmp_path: Path) -> None:
    """A tub depends on its options alone."""
    paths = [str(tmp_path / name) for name in ("one", "two")]
    for path in paths:
        assert draw_tub.main(["--out", path, "--records", "8", "--extras"]) == 0
    one, two = map(tree, paths)
    assert one == two and len(one) == 8 + 3


def test_a_folder_in_use_is_not_changed(tmp_path: Path, capsys: "pytest.CaptureFixture[str]") -> None:
    """Drawing into a folder that is not empty fails with the folder's name and changes nothing."""
    (tmp_path / "mine").write_text("keep")
    assert draw_tub.main(["--out", str(tmp_path), "--records", "4"]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path} is not empty, and a drawn tub never replaces anything. "
        "Name a new or an empty folder with --out.\n"
    )
    assert os.listdir(str(tmp_path)) == ["mine"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    """The empty data folder of a new car becomes the tub."""
    (tmp_path / "data").mkdir()
    with tub_writer.new_folder(str(tmp_path / "data") + os.sep) as folder:
        assert os.listdir(str(tmp_path / "data")) == []
        open(os.path.join(folder, "manifest.json"), "w").close()
    assert tree(str(tmp_path)) == {os.path.join("data", "manifest.json"): b""}


def test_a_failed_drawing_leaves_nothing(tmp_path: Path) -> None:
    """An interrupted drawing leaves neither half a tub nor a scratch folder."""

    def interrupted() -> Iterator[Dict[str, Any]]:
        yield {"cam/image_array": np.zeros((120, 160, 3), np.uint8), "_timestamp_ms": 0}
        raise KeyboardInterrupt

    for write in (tub_writer.write_v1, tub_writer.write_v2):
        with pytest.raises(KeyboardInterrupt):
            write(str(tmp_path / "data"), columns=[], sessions=[interrupted()], start_ms=0, day="26-01-01")
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize(
    "option, message",
    [
        (["--records", "3"], "--records is 3, but 4 sessions need at least one each"),
        (["--sessions", "0"], "--sessions is 0, but it must be from 1 to 64"),
        (["--latency", "-1"], "--latency is -1, but it must be 0 or more"),
        (["--seed", "-1"], "--seed is -1, but it must be from 0 to 67108863"),
        (["--day", "2026-01-01"], "--day is 2026-01-01, but it must be a date like 26-01-01 (YY-MM-DD)"),
    ],
)
def test_invalid_options(
    tmp_path: Path, capsys: "pytest.CaptureFixture[str]", option: List[str], message: str
) -> None:
    """An invalid option is named in the error, and nothing is drawn."""
    with pytest.raises(SystemExit) as stopped:
        draw_tub.main(["--out", str(tmp_path / "data")] + option)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: {message}\n")
    assert os.listdir(str(tmp_path)) == []
