"""Loss curves as SVG."""

import re

from donkey_sagemaker.console.losses import Curve, draw_losses


def test_no_loss_no_chart() -> None:
    """Nor where none of them is a number."""
    assert draw_losses([]) == draw_losses([Curve("a", "line0", [float("nan"), None])]) == ""


def test_curves() -> None:
    """The highest loss is at the top, the last epoch to the right, and words say what the curves show."""
    svg = draw_losses([Curve("a", "line0", [0.4, 0.2]), Curve("b<", "line1", [0.1, 0.4], is_dashed=True)])
    assert re.findall(' d="(M[^"]+)"', svg)[1:] == ["M0.0 0.0L400.0 75.0", "M0.0 112.5L400.0 0.0"]
    assert 'aria-label="Loss by epoch: a, lowest 0.2000; b&lt;, lowest 0.1000"' in svg
    assert svg.count("stroke-dasharray") == 1 and ">2 epochs<" in svg


def test_gaps_and_single_epochs() -> None:
    """A loss that is no number leaves a gap, and a single one is a dot."""
    svg = draw_losses([Curve("a", "line0", [0.4, float("inf"), None, 0.2])])
    assert ' d="M0.0 0.0M400.0 75.0"' in svg
    assert ' d="M0.0 0.0h0"' in draw_losses([Curve("a", "line0", [0.4])])
    assert ">1 epoch<" in draw_losses([Curve("a", "line0", [0.4])])


def test_epochs_to_come_have_room() -> None:
    """At most as much as those that are done, since most trainings stop early."""
    assert "L200.0" in draw_losses([Curve("a", "line0", [0.4] * 51)], epochs=1000).replace("L198.0", "L200.0")
    assert "L400.0" in draw_losses([Curve("a", "line0", [0.4] * 3)], epochs=3)
