"""JSON that is made to crash Python."""

import subprocess
import sys

import pytest

from donkey_sagemaker.untrusted_json import MAX_DEPTH, parse_json


@pytest.mark.parametrize(
    "text", [b"[" * 200000, b'{"a":' * 200000, b"[1, " * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)]
)
def test_deep_nesting_is_refused(text):
    """Before the parser sees it."""
    with pytest.raises(ValueError, match="^nested too deeply$"):
        parse_json(text)


def test_deep_nesting_is_refused_whatever_the_recursion_limit():
    """donkeycar 5 raises it to 100,000, and the parser alone would take the process down."""
    code = (
        "import sys; sys.setrecursionlimit(10**5)\n"
        "from donkey_sagemaker.untrusted_json import parse_json\n"
        "try: parse_json(b'[' * 200000)\n"
        "except ValueError as error: print(error)"
    )
    assert subprocess.check_output([sys.executable, "-c", code]).decode() == "nested too deeply\n"


def test_brackets_in_strings_are_no_nesting():
    """And neither are many values beside each other."""
    assert parse_json(b'["%s", "\\\\\\"[["]' % (b"[{" * 500)) == ["[{" * 500, '\\"[[']
    assert parse_json(b"[" + b"[[]], " * 500 + b"1]")[-1] == 1


@pytest.mark.parametrize("text", [b"{", b"\xff", b"", b'"abc'])
def test_what_is_no_json_is_a_value_error(text):
    """UnicodeDecodeError and JSONDecodeError both are."""
    with pytest.raises(ValueError):
        parse_json(text)


def test_a_byte_order_mark_is_left_out():
    """As Windows editors write it."""
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
