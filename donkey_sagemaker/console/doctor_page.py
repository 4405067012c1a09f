"""What sagemaker-doctor has found, with its fixes."""

from typing import Any, List, Optional

from ..page import escape, paragraph
from .layout import Forms, at, heading
from .runs import Run

_MARKS = {"fine": ("good", "fine"), "wrong": ("bad", "wrong"), "unknown": ("other", "not checked")}
_MOST = 2000  # characters of a finding


def show_doctor(forms: Forms, run: Optional[Run], content: Any) -> List[str]:
    """
    Args:
        run: the last one.
        content: what it has printed.
    """
    parts = [heading("Doctor")]
    found = content if isinstance(content, list) else []
    if run and found:
        wrong = sum(isinstance(each, dict) and each.get("state") == "wrong" for each in found)
        parts.append(paragraph("Nothing is wrong." if not wrong else f"Wrong: {wrong}. Nothing was changed."))
        parts.append(f'<p class="soft">Checked at {at(run.started)}.</p>')
        described = [each for each in found if isinstance(each, dict)]
        parts += map(_describe, sorted(described, key=lambda each: each.get("state") != "wrong"))
    else:
        parts.append(paragraph("Checks everything that a training needs, without changing anything."))
    label = "Check again" if found else "Check the car"
    parts.append(forms.button(label, "/doctor", style="main" if not found else ""))
    return parts


def _describe(each: Any) -> str:
    style, word = _MARKS.get(str(each.get("state")), _MARKS["unknown"])
    fix = each.get("fix")
    to_do = f"<p>To do: {escape(fix, most=_MOST)}</p>" if fix else ""
    return (
        f'<div class="verdict {style}"><p><b>{escape(each.get("check"))}: {word}</b></p>'
        f"<p>{escape(each.get('found'), most=_MOST)}</p>{to_do}</div>"
    )
