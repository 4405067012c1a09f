"""What systemd gives a meaning to in the lines of a unit. Pure."""

from typing import Sequence


def escape(text: str) -> str:
    """Text that runs to the end of its line, such as a folder: % begins a specifier of systemd."""
    return text.replace("%", "%%")


def quote_command(words: Sequence[str]) -> str:
    """A command line, for ExecStart."""
    return " ".join(map(_quote, words))


def _quote(word: str) -> str:
    word = escape(word).replace("$", "$$")
    if not word or any(letter in word for letter in " \t\"'\\;"):
        word = '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return word
