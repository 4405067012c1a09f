"""What `train` and `doctor` print about the recorded driving. Nothing here stops a training."""

from typing import Mapping, Optional, Tuple

from ..tubs.reader import Tub


def review_briefly(tubs: Mapping[str, Tub]) -> Optional[str]:
    """The verdict on a sample of the records; None without NumPy, Pillow or a readable picture.

    Args:
        tubs: by path.
    """
    try:
        from ..review.review import make_verdict, review_sample
    except ImportError:
        return None
    reviewed, findings = review_sample(list(tubs.values()))
    if not reviewed:
        return None
    verdict = make_verdict(reviewed, findings)
    if not findings:
        return verdict
    return f"{verdict}: look at them with `python manage.py sagemaker-tubs`"


def measure_slide(tubs: Mapping[str, Tub]) -> Tuple[int, str]:
    """What SAGEMAKER_SLIDE = "auto" means for these tubs: (frames, why).

    Args:
        tubs: by path.
    """
    try:
        from ..review.slide import choose_slide
    except ImportError:
        return 0, "measuring it needs NumPy and Pillow"
    return choose_slide(list(tubs.values()))
