"""The loss curves as text."""

import math

from donkey_sagemaker.loss_curve import draw_curves

BLANK = chr(0x2800)


def draw(*curves, width, height):
    return [
        "".join(character.text for character in row)
        for row in draw_curves(*curves, width=width, height=height)
    ]


def test_a_curve_falls_from_the_top_left_to_the_bottom_right():
    """It consists of dots that touch, two by four in each character."""
    assert draw([1.0, 0.0], [], width=4, height=2) == ["\u2811\u2884" + 2 * BLANK, 2 * BLANK + "\u2811\u2884"]


def test_validation_is_distinguished_from_training():
    """A character with both curves counts as validation."""
    first, second = draw_curves([1.0, 1.0], [0.0, 1.0], width=3, height=2)
    assert [character.is_validation for character in first] == [False, True, True]
    assert [character.is_validation for character in second] == [True, True, False]


def test_losses_that_are_not_finite_leave_a_gap():
    """If there are no others, nothing is drawn."""
    assert draw([math.nan], [math.inf], width=2, height=1) == [2 * BLANK]
    assert draw([1.0, math.nan, 1.0], [], width=4, height=1) == ["\u2801" + 2 * BLANK + "\u2808"]


def test_a_single_epoch_is_a_dot():
    """It is at the top, or at the bottom if the loss is zero."""
    assert draw([0.2], [], width=2, height=1) == ["\u2801" + BLANK]
    assert draw([0.0], [], width=1, height=2) == [BLANK, "\u2840"]
