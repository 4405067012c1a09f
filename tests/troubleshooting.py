"""Reads docs/troubleshooting.md, which has an entry for each message."""

import os
from typing import List, Sequence, Tuple


def find_missing(repo_path: str, messages: Sequence[Tuple[str, str]]) -> List[str]:
    """The entries that the page lacks, for messages as (what, fix)."""
    with open(os.path.join(repo_path, "docs", "troubleshooting.md"), encoding="utf-8") as file:
        page = file.read()
    return [entry for entry in (make_entry(what, fix) for what, fix in messages) if entry not in page]


def make_entry(what: str, fix: str) -> str:
    """A heading and its first paragraph; a policy statement is formatted as code."""
    words, brace, statement = fix.partition("\n{")
    entry = f"### {what}\n\n{words}\n"
    return entry + f"\n```json\n{{{statement}\n```\n" if brace else entry
