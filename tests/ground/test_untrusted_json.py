"""JSON that is written to crash Python."""

import subprocess
import sys

import pytest

from donkey_sagemaker.untrusted_json import MAX_DEPTH, MAX_DIGITS, parse_json


@pytest.mark.parametrize(
    "text", [b"[" * 200000, b'{"a":' * 200000, b"[1, " * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)]
)
def test_deep_nesting_is_rejected(text):
    """This happens before the text is parsed."""
    with pytest.raises(ValueError, match="^nested too deeply$"):
        parse_json(text)


def test_deep_nesting_is_rejected_with_any_recursion_limit():
    """donkeycar 5 raises the limit to 100,000, with which the parser would crash the process."""
    code = (
        "import sys; sys.setrecursionlimit(10**5)\n"
        "from donkey_sagemaker.untrusted_json import parse_json\n"
        "try: parse_json(b'[' * 200000)\n"
        "except ValueError as error: print(error)"
    )
    assert subprocess.check_output([sys.executable, "-c", code]).decode() == "nested too deeply\n"


def test_brackets_in_strings_do_not_count_as_nesting():
    """Neither do many values next to each other."""
    assert parse_json(b'["%s", "\\\\\\"[["]' % (b"[{" * 500)) == ["[{" * 500, '\\"[[']
    assert parse_json(b"[" + b"[[]], " * 500 + b"1]")[-1] == 1


@pytest.mark.parametrize("text", [b"{", b"\xff", b"", b'"abc'])
def test_invalid_json_is_a_value_error(text):
    """UnicodeDecodeError and JSONDecodeError are both ValueErrors."""
    with pytest.raises(ValueError):
        parse_json(text)


def test_a_byte_order_mark_is_ignored():
    """Some editors on Windows write one."""
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


HOSTILE = {
    "a string that does not end": b'["' + b'\\"[' * 100000,
    "quotes": b'"' * 100001 + b"[" * 200,
    "backslashes": b"[" * 101 + b'"\\' * 100000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_rejected(name):
    """In time that grows with its length: with the square of it, this would take minutes."""
    with pytest.raises(ValueError):
        parse_json(HOSTILE[name])


def test_a_number_with_too_many_digits_is_infinite():
    """Reading it would take time that grows with the square of its digits, and no float could hold it."""
    assert parse_json(b"1" * MAX_DIGITS) == int("1" * MAX_DIGITS)
    assert float(parse_json(b"9" * MAX_DIGITS)) > 0
    assert parse_json(b"9" * 2000000) == float("inf")
    assert parse_json(b'{"a": -' + b"9" * 2000000 + b"}") == {"a": -float("inf")}
