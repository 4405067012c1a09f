"""What systemd gives a meaning to in a unit."""

import pytest

from donkey_sagemaker.systemd import escape, quote_command


@pytest.mark.parametrize(
    "word, quoted",
    [
        ("--lan", "--lan"),
        ("/my env/python", '"/my env/python"'),
        ("5%", "5%%"),
        ("$HOME", "$$HOME"),
        ('a "b"', r'"a \"b\""'),
        ("a\\b", r'"a\\b"'),
        ("", '""'),
    ],
)
def test_a_word_stays_as_it_is(word: str, quoted: str) -> None:
    """Quotes stand only around what systemd would split or drop."""
    assert quote_command(["x", word]) == f"x {quoted}"


def test_a_folder_needs_no_quotes() -> None:
    """It is the rest of its line."""
    assert escape("/home/my 100%/car") == "/home/my 100%%/car"
