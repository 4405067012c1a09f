"""The examples that a report shows: the worst, typical ones, and the worst stretch."""

from types import SimpleNamespace

import pytest

np = pytest.importorskip("numpy")

from trainer.feed import Examples, Feed  # noqa: E402
from trainer.pictures import PictureStore  # noqa: E402
from trainer.review import APART, PICTURES, STRETCH, predict, review  # noqa: E402


def make_examples(count, *, session=lambda index: "a"):
    """Examples of one record each, driven straight ahead."""
    return [
        SimpleNamespace(
            records=[SimpleNamespace(tub="t", session=session(index), index=index, angle=0.0, throttle=0.5)],
            place=index,
        )
        for index in range(count)
    ]


def off_by(errors):
    """A model that is wrong by this much at these records, and right at all others."""
    return lambda examples: np.array([(errors.get(each.records[0].index, 0.0), 0.5) for each in examples])


def indexes(compared, places=None):
    chosen = range(len(compared.examples)) if places is None else places
    return [compared.examples[place].records[0].index for place in chosen]


def test_the_worst_pictures_come_first_and_are_not_neighbours():
    """Twelve different places are more useful than twelve pictures of one."""
    examples = make_examples(1000)
    errors = {index: -0.9 + index / 1000 for index in range(100, 110)}
    errors.update({500: 0.5, 700: 0.6})
    found = review(examples, examples[::-1], predict=off_by(errors))
    assert indexes(found.validation) == list(range(1000))
    worst = indexes(found.validation, found.worst)
    assert worst[:3] == [100, 700, 500] and len(worst) == PICTURES
    assert min(abs(one - other) for one in worst for other in worst if one != other) >= APART


def test_typical_pictures_have_the_median_error():
    """Wherever the worst and the best are."""
    examples = make_examples(300)
    errors = {index: 0.9 if index < 100 else 0.2 for index in range(200)}
    found = review(examples, examples, predict=off_by(errors))
    assert {errors[index] for index in indexes(found.validation, found.typical[:4])} == {0.2}


def test_the_worst_stretch_contains_training_examples_too():
    """It is where the validation examples have the largest error, in the order they were driven."""
    examples = make_examples(2000)
    found = review(examples, examples[::5], predict=off_by(dict.fromkeys(range(1000, 1100), 0.4)))
    shown = indexes(found.stretch)
    assert shown == list(range(shown[0], shown[0] + STRETCH)) and 990 <= shown[0] <= 1010
    assert found.stretch.angle_errors.mean() > 0.35


def test_a_stretch_stays_within_its_session():
    """Two consecutive sessions are two places on the track."""
    examples = make_examples(300, session=lambda index: "a" if index < 150 else "b")
    found = review(examples, examples, predict=off_by(dict.fromkeys(range(150, 160), 0.5)))
    assert {example.records[0].session for example in found.stretch.examples} == {"b"}


def test_few_examples_are_all_shown():
    """Even a tub of three records has a report."""
    examples = make_examples(3)
    found = review(examples, examples[1:2], predict=off_by({}))
    assert indexes(found.validation, found.worst) == [1] == indexes(found.validation, found.typical)
    assert indexes(found.stretch) == [0, 1, 2]


@pytest.mark.parametrize("outputs", [1, 2])
def test_predictions_are_the_pilots_own_commands(outputs):
    """The net predicts whole batches, the pilot makes commands one by one, and only two are kept."""
    seen = []

    def predict_on_batch(inputs):
        seen.append(len(inputs["img_in"]))
        columns = [inputs["img_in"][:, 0, 0] + number for number in range(outputs)]
        return columns if outputs > 1 else columns[0]

    pilot = SimpleNamespace(
        net=SimpleNamespace(predict_on_batch=predict_on_batch),
        make_commands=lambda raw: np.array([raw[0][0], len(raw), 99.0]),
    )
    store = PictureStore(5, (1, 1, 1))
    for number in range(5):
        store[number] = np.full((1, 1, 1), number, np.uint8)
    examples = Examples({"img_in": np.arange(5)}, {"y": np.zeros(5, np.float32)})
    feed = Feed(examples, store, picture_inputs=["img_in"], divisor=1.0, batch_size=2)
    assert predict(pilot, feed).tolist() == [[float(number), outputs] for number in range(5)]
    assert seen == [2, 2, 1]
