"""Checks an HTML page from an archive: it opens in the owner's browser, from this disk.

A browser applies a policy in a page to what comes after it. So the page must begin as ours do, with the
policy that allows no script and no network. What the policy does not cover, such as sending the reader to
another page, is looked for. Every tag must be written as ours are, because browsers and parsers disagree
about odd ones.
"""

import re
from typing import Optional

from .contract import REPORT_CAR_MARK
from .page import PAGE_START

_MARKUP = re.compile(r"<[^<>]*>?")
_TAG = re.compile(r'</?([a-z][a-z0-9]*)((?: [a-z:-]+="[^"<>]*")*)>')
_ATTRIBUTE = re.compile(r' ([a-z:-]+)="([^"<>]*)"')
_FORBIDDEN_TAGS = frozenset("applet base embed form frame frameset iframe object portal script".split())
_ADDRESSES = frozenset("action background data formaction href ping poster src srcset xlink:href".split())
_HARMLESS_ADDRESSES = ("data:,", "data:image/png;", "data:image/jpeg;", "data:image/webp;", "#")


def find_fault(page: bytes) -> Optional[str]:
    """Why the page is not safe to open; None if it is."""
    try:
        text = page.decode("utf-8")
    except UnicodeDecodeError:
        return "it is not UTF-8"
    if not text.startswith(PAGE_START):
        return "it does not begin with the policy that forbids scripts"
    for markup in _MARKUP.finditer(text, len(PAGE_START)):
        fault = None if markup.group() == REPORT_CAR_MARK else _find_fault_in_tag(markup.group())
        if fault:
            return fault
    return None


def _find_fault_in_tag(markup: str) -> Optional[str]:
    match = _TAG.fullmatch(markup)
    if not match:
        return f"it contains {markup[:40]!r}"
    tag = match.group(1)
    if tag in _FORBIDDEN_TAGS:
        return f"it contains <{tag}>"
    for name, value in _ATTRIBUTE.findall(match.group(2)):
        is_elsewhere = name in _ADDRESSES and not value.startswith(_HARMLESS_ADDRESSES)
        if is_elsewhere or name.startswith("on") or name == "http-equiv":
            return f"its <{tag:.20}> has {name:.20}={value[:40]!r}"
    return None
