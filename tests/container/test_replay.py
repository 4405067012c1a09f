"""The film of the worst stretch."""

import io
from types import SimpleNamespace

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")
Image.init()
if "WEBP" not in Image.SAVE_ALL:
    pytest.skip("this Pillow writes no animated WebP", allow_module_level=True)

from trainer.pictures import draw_steering  # noqa: E402
from trainer.replay import FRAME_MS, FRAMES, LAST_MS, make_replay  # noqa: E402
from trainer.review import Compared  # noqa: E402

BLACK = np.zeros((120, 160, 3), np.uint8)


def make_stretch(count):
    """The driver steers to the right, and the model to the left, most at record 7."""
    predicted = np.full((count, 2), -0.1)
    predicted[min(7, count - 1)] = -0.9
    examples = [SimpleNamespace(records=[SimpleNamespace(index=index)]) for index in range(count)]
    return Compared(examples, np.full((count, 2), 0.5), predicted)


@pytest.mark.parametrize("count, frames", [(1, 1), (50, 50), (51, 26), (100, 50)])
def test_a_stretch_becomes_a_film(count, frames):
    """At most fifty frames; the last one stays, and the film begins again."""
    replay = make_replay(make_stretch(count), lambda example: BLACK + example.records[0].index * 37 % 256)
    film = Image.open(io.BytesIO(replay.film))
    assert film.format == "WEBP" and film.size == (320, 240)
    assert getattr(film, "n_frames", 1) == frames <= FRAMES
    if frames > 1:
        film.seek(frames - 1)
        film.load()
        durations = film.info.get("duration", LAST_MS)
        assert durations == LAST_MS != FRAME_MS and film.info.get("loop", 0) == 0


def test_the_still_is_the_worst_moment():
    """For whoever prefers less motion."""
    replay = make_replay(make_stretch(20), lambda example: BLACK)
    still = np.asarray(Image.open(io.BytesIO(replay.still)).convert("RGB")).astype(int)
    worst = np.asarray(draw_steering(BLACK, driven=0.5, predicted=-0.9)).astype(int)
    other = np.asarray(draw_steering(BLACK, driven=0.5, predicted=-0.1)).astype(int)
    assert np.abs(still - worst).mean() < 2 < np.abs(still - other).mean()


def test_a_pillow_without_webp(monkeypatch):
    """The report then has the chart alone."""
    monkeypatch.delitem(Image.SAVE_ALL, "WEBP")
    assert make_replay(make_stretch(3), lambda example: BLACK) is None


def test_noise_makes_no_film():
    """It would fill the page."""
    random = np.random.RandomState(1)
    assert make_replay(make_stretch(100), lambda example: random.randint(0, 256, BLACK.shape, "u1")) is None


def test_the_models_line_is_dashed():
    """The driver's is not: they differ by more than colour."""
    solid = np.asarray(draw_steering(BLACK, driven=0.0))
    dashed = np.asarray(draw_steering(BLACK, driven=0.9, predicted=0.0))

    def runs(picture):
        """How often the column in the middle, from above the bend of the other line on, changes to a line."""
        lit = picture[:, 160].max(axis=1) > 60
        return int(np.sum(lit[1:] & ~lit[:-1]))

    assert runs(solid) == 1 and runs(dashed) == 3
