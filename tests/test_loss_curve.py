"""The loss curve in letters."""

import math

from donkey_sagemaker.loss_curve import draw_curves

BLANK = chr(0x2800)


def draw(*curves, width, height):
    return [
        "".join(letter.text for letter in row) for row in draw_curves(*curves, width=width, height=height)
    ]


def test_a_curve_falls_from_the_top_left_to_the_bottom_right():
    """In dots that touch, two across and four down in each letter."""
    assert draw([1.0, 0.0], [], width=4, height=2) == ["\u2811\u2884" + 2 * BLANK, 2 * BLANK + "\u2811\u2884"]


def test_validation_is_told_from_training():
    """By the letters that it takes, also where both are."""
    first, second = draw_curves([1.0, 1.0], [0.0, 1.0], width=3, height=2)
    assert [letter.is_validation for letter in first] == [False, True, True]
    assert [letter.is_validation for letter in second] == [True, True, False]


def test_losses_that_are_no_numbers_leave_a_gap():
    """And alone they draw nothing."""
    assert draw([math.nan], [math.inf], width=2, height=1) == [2 * BLANK]
    assert draw([1.0, math.nan, 1.0], [], width=4, height=1) == ["\u2801" + 2 * BLANK + "\u2808"]


def test_one_epoch_is_a_dot_and_no_loss_is_the_bottom():
    """The first thing that is seen, and what a perfect model would give."""
    assert draw([0.2], [], width=2, height=1) == ["\u2801" + BLANK]
    assert draw([0.0], [], width=1, height=2) == [BLANK, "\u2840"]
