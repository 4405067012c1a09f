"""Views from beside the line, compared with what the demo's camera truly sees there."""

import math
import os
import sys

import pytest

np = pytest.importorskip("numpy", reason="the trainer needs numpy")
pytest.importorskip("PIL.Image", reason="the trainer needs Pillow")

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "demo")
)

from scene import CAMERA, Scene  # noqa: E402
from surface import Lighting  # noqa: E402
from track import Track  # noqa: E402
from trainer.pictures import find_opencv  # noqa: E402
from trainer.views import Camera, View, Viewer  # noqa: E402

SHAPE = (CAMERA.height, CAMERA.width, 3)
TRUE = Camera(CAMERA.above_floor_m, CAMERA.pitch_deg, CAMERA.field_of_view_deg)
VIEWS = [View(0.2, 0.0), View(-0.2, 0.0), View(0.0, 0.2), View(0.0, -0.2), View(0.15, 0.2), View(-0.1, 0.15)]
OPENCV = [None] + [find_opencv()] * (find_opencv() is not None)


@pytest.fixture(scope="module")
def scene():
    """A track whose light does not hide what the camera sees."""
    return Track(3), Scene(Track(3), seed=3, lighting=Lighting(unevenness=0.0, shadow=0.0, noise=0.0))


def pixel(point, view):
    """Where a view shows a point of the world of the recorded place, without any matrix."""
    x, y, z = point[0], point[1] + view.shift_m, point[2] - TRUE.height_m
    x, y = (
        x * math.cos(view.turn) + y * math.sin(view.turn),
        y * math.cos(view.turn) - x * math.sin(view.turn),
    )
    pitch = math.radians(TRUE.pitch_deg)
    depth = x * math.cos(pitch) - z * math.sin(pitch)
    below = -z * math.cos(pitch) - x * math.sin(pitch)
    focal = SHAPE[1] / 2 / math.tan(math.radians(TRUE.fov_deg) / 2)
    return np.array(
        [(SHAPE[1] - 1) / 2 - focal * y / depth, (SHAPE[0] - 1) / 2 + focal * below / depth], np.float64
    )


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "point", [(0.5, 0.0, 0.0), (1.0, 0.4, 0.0), (4.0, -1.0, 0.0), (1e7, 2e6, 1e6), (1e7, -3e6, 2e6)]
)
def test_a_point_of_the_floor_and_one_far_away(view, point):
    """The pixel of a point in the view leads to its pixel in the picture."""
    right, down = pixel(point, view)
    column, row = int(right), int(down)
    there = (slice(row, row + 2), slice(column, column + 2))
    weights = np.outer([row + 1 - down, down - row], [column + 1 - right, right - column])
    found = [(weights * each[there]).sum() for each in Viewer(TRUE, SHAPE).find_sources(view)]
    np.testing.assert_allclose(found, pixel(point, View()), atol=0.1)


@pytest.mark.parametrize("cv2", OPENCV, ids=lambda cv2: "OpenCV" if cv2 else "NumPy")
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_what_the_camera_sees_there(scene, view, cv2):
    """Along the whole track, it is far closer to the true picture than the recorded one is."""
    track, room = scene
    viewer = Viewer(TRUE, SHAPE, cv2=cv2)
    errors = []
    for arc in np.linspace(0, track.length, 12, endpoint=False):
        recorded, there = take_pictures(track, room, arc, view)
        # The picture does not show what is beside it.
        middle = (slice(None), slice(40, 120))
        errors.append(
            [np.abs(seen.astype(int) - there)[middle].mean() for seen in (viewer(recorded, view), recorded)]
        )
    ours, recorded = np.mean(errors, axis=0)
    assert ours < 0.4 * recorded


def take_pictures(track, room, arc, view):
    """What the camera sees in the middle of the lane, and from the view's place."""
    x, y, heading = track.point(arc)
    recorded = room.picture(x, y, heading)
    x, y, _ = track.point(arc, offset=view.shift_m)
    return recorded, room.picture(x, y, heading + view.turn).astype(int)


@pytest.mark.parametrize("cv2", OPENCV, ids=lambda cv2: "OpenCV" if cv2 else "NumPy")
@pytest.mark.parametrize("side", [-1, 1])
def test_a_border_continues_beside_the_picture(side, cv2):
    """It goes straight on through the floor that the picture does not show, as on a straight lane."""
    view = View(shift_m=0.2 * side, turn=-0.2 * side)
    recorded, there = (find_border(each, right_m=0.35 * side) for each in (View(), view))
    picture = np.repeat(recorded[:, :, np.newaxis], 3, axis=2).astype(np.uint8) * 255
    seen = Viewer(TRUE, SHAPE, cv2=cv2)(picture, view)[:, :, 0] > 127
    beside = slice(60, None), slice(0, 60) if side < 0 else slice(100, None)  # not in the recorded picture
    assert there[beside].sum() > 300
    assert (seen & there)[beside].sum() > 0.9 * (seen | there)[beside].sum()


def find_border(view, *, right_m):
    """The pixels that show a line of 6 cm on a straight lane, as the optics of the camera say."""
    pitch = math.radians(TRUE.pitch_deg)
    focal = SHAPE[1] / 2 / math.tan(math.radians(TRUE.fov_deg) / 2)
    below, right = np.mgrid[: SHAPE[0], : SHAPE[1]]
    below, right = (below - (SHAPE[0] - 1) / 2) / focal, (right - (SHAPE[1] - 1) / 2) / focal
    fall = np.maximum(1e-9, below * math.cos(pitch) + math.sin(pitch))
    ahead = TRUE.height_m / fall * (math.cos(pitch) - below * math.sin(pitch))
    right = TRUE.height_m / fall * right
    right = view.shift_m + right * math.cos(view.turn) - ahead * math.sin(view.turn)
    return np.abs(right - right_m) < 0.03


@pytest.mark.skipif(find_opencv() is None, reason="there is no OpenCV to compare with")
@pytest.mark.parametrize("depth", [1, 3])
def test_opencv_and_numpy_make_the_same_views(scene, depth):
    """The cars of 2018 train without OpenCV."""
    track, room = scene
    picture = np.ascontiguousarray(room.picture(*track.point(1.0))[:, :, :depth])
    for view in VIEWS + [View(0.1, -0.1, mirrored=True)]:
        ours, theirs = (
            Viewer(TRUE, picture.shape, cv2=cv2)(picture, view).astype(int) for cv2 in (None, find_opencv())
        )
        assert ours.shape == theirs.shape == picture.shape
        assert np.abs(ours - theirs).max() <= 8 and np.abs(ours - theirs).mean() < 0.6


def test_a_view_from_the_same_place(scene):
    """It is the picture, or the picture mirrored."""
    track, room = scene
    picture = room.picture(*track.point(2.0))
    viewer = Viewer(TRUE, SHAPE)
    np.testing.assert_array_equal(viewer(picture, View()), picture)
    np.testing.assert_array_equal(viewer(picture, View(mirrored=True)), picture[:, ::-1])
    moved = viewer(picture, View(0.1, 0.1))
    np.testing.assert_array_equal(viewer(picture, View(0.1, 0.1, mirrored=True)), moved[:, ::-1])


def test_the_wall_does_not_move_with_a_shift(scene):
    """It is taken as far away, while a homography of the floor would move it to the wrong side."""
    track, room = scene
    picture = room.picture(*track.point(2.0))
    moved = Viewer(TRUE, SHAPE)(picture, View(shift_m=0.2))
    np.testing.assert_array_equal(moved[:33], picture[:33])
    assert np.any(moved[33:] != picture[33:])


@pytest.mark.parametrize("pitch_deg", [-20.0, 0.0, 60.0, 80.0])
def test_a_camera_that_sees_only_the_floor_or_hardly_any(pitch_deg):
    """Whatever SAGEMAKER_CAMERA accepts makes a view."""
    picture = np.random.RandomState(1).randint(0, 255, SHAPE).astype(np.uint8)
    for camera in (Camera(0.02, pitch_deg, 170.0), Camera(2.0, pitch_deg, 20.0)):
        for cv2 in OPENCV:
            assert Viewer(camera, SHAPE, cv2=cv2)(picture, View(0.2, 0.2)).shape == SHAPE
