"""What every page of the console consists of, in the style of the other pages (page.py)."""

from typing import List, Mapping, Optional, Sequence, Tuple
from urllib.parse import quote, urlencode

from ..page import escape
from ..ui import format_time
from .runs import new_id

MOST_OUTPUT = 4000  # characters of a command's output on a page
_NAV = (("/", "Home"), ("/tubs", "Tubs"), ("/train", "Train"), ("/models", "Models"), ("/doctor", "Doctor"))


def make_document(title: str, *markup: str, current: str = "", assets: str = "", has_nav: bool = True) -> str:
    """
    Args:
        current: the address in the navigation that is shown as the present one.
        assets: changes with the style and the script, so that browsers fetch new ones.
    """
    links = "".join(
        f'<a href="{path}"{" aria-current=page" if path == current else ""}>{name}</a>' for path, name in _NAV
    )
    nav = f'<nav aria-label="Pages">{links}</nav>' if has_nav else ""
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>",
            f'<link rel="stylesheet" href="/console.css?{assets}">',
            f'<script src="/console.js?{assets}" defer></script></head>',
            '<body><p id="offline" role="status" hidden>No connection. This page tries again by itself.</p>',
            "<main>",
            *markup,
            f"</main>{nav}</body></html>",
            "",
        ]
    )


def live(address: str, markup: str) -> str:
    """A part of the page that the script fetches again and again; without a script, the whole page is."""
    refresh = '<noscript><meta http-equiv="refresh" content="5"></noscript>'
    return f'<div id="live" aria-live="polite" data-address="{escape(address)}">{markup}</div>{refresh}'


def link(label: str, address: str, *, style: str = "") -> str:
    return f'<a class="{style}" href="{escape(address, most=2000)}">{escape(label)}</a>'


def address(path: str, **values: object) -> str:
    """A path of the console with a query."""
    given = [(name, value) for name, value in values.items() if value is not None]
    return path + ("?" + urlencode(given) if given else "")


def path_of(*words: str) -> str:
    return "/" + "/".join(quote(word, safe="") for word in words)


class Forms:
    """Buttons that change something.

    Args:
        key: proves that a form is from a page of ours.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def button(
        self, label: str, path: str, values: Mapping[str, object] = {}, *, style: str = "", once: bool = True
    ) -> str:
        return self.form(path, f'<button class="{style}">{escape(label)}</button>', values, once=once)

    def form(self, path: str, markup: str, values: Mapping[str, object] = {}, *, once: bool = True) -> str:
        """
        Args:
            markup: the fields and the button.
            once: whether a second tap finds the command that the first one has started. Not in a part of a
                page that the script compares with the one before.
        """
        if once:
            values = {**values, "run": new_id()}
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value, most=100000)}">'
            for name, value in [("form", self._key), *values.items()]
        )
        return f'<form method="post" action="{escape(path)}">{hidden}{markup}</form>'


def actions(*buttons: str) -> str:
    return f'<div class="actions">{"".join(filter(None, buttons))}</div>'


def select(name: str, label: str, options: Sequence[Tuple[str, str]], *, chosen: str) -> str:
    """
    Args:
        options: (value, text).
    """
    content = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in options
    )
    return f'<label>{escape(label)}<select name="{name}">{content}</select></label>'


def number(name: str, label: str, value: Optional[int] = None) -> str:
    shown = "" if value is None else f' value="{value}"'
    return (
        f'<label>{escape(label)}<input name="{name}" inputmode="numeric" pattern="[0-9]*" '
        f'maxlength="9" autocomplete="off"{shown}></label>'
    )


def choice(
    name: str, value: str, label: str, *, kind: str, is_chosen: bool, form: str = "", note: str = ""
) -> str:
    """A box or a button to choose with.

    Args:
        kind: "checkbox" or "radio".
        form: the id of the form that it belongs to, where it lies outside of it.
    """
    owner = f' form="{form}"' if form else ""
    checked = " checked" if is_chosen else ""
    more = f'<span class="soft">{escape(note)}</span>' if note else ""
    return (
        f'<label class="choice"><input type="{kind}" name="{name}" value="{escape(value, most=1000)}"'
        f"{owner}{checked}><span>{escape(label)} {more}</span></label>"
    )


def output(text: str, *, lines: int = 0) -> str:
    """What a command has printed.

    Args:
        lines: how many of the last ones; 0 for all.
    """
    kept = text.rstrip().splitlines()[-lines:]
    return f"<pre>{escape(chr(10).join(kept)[-MOST_OUTPUT:], most=MOST_OUTPUT)}</pre>" if kept else ""


def heading(title: str, *, note: str = "") -> str:
    more = f'<p class="soft">{escape(note)}</p>' if note else ""
    return f"<h1>{escape(title)}</h1>{more}"


def at(seconds: float) -> str:
    return format_time(seconds)


def pairs(rows: Mapping[str, str]) -> List[Tuple[str, str]]:
    """Rows for page.table, without empty ones."""
    return [(name, value) for name, value in rows.items() if value not in ("", "-")]
