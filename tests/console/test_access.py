"""Who may use the console."""

import os
import stat
from pathlib import Path

import pytest

from donkey_sagemaker.console.access import Keys, RateLimit, is_own_host, make_token, read_token


def test_a_token_is_kept(tmp_path: Path) -> None:
    """Nobody else can read it, and a new one replaces it."""
    folder = tmp_path / "console"
    assert read_token(str(folder)) is None
    token = make_token(str(folder))
    assert read_token(str(folder)) == token and len(token) >= 22
    assert stat.S_IMODE(os.stat(str(folder)).st_mode) == 0o700
    assert make_token(str(folder)) != token


@pytest.mark.parametrize("content", ["", "short", "x" * 100, "with a blank in the middle of it", "\0" * 22])
def test_a_damaged_token_does_not_count(tmp_path: Path, content: str) -> None:
    """Such as an empty file after a power cut: otherwise nothing would be asked for."""
    (tmp_path / "token").write_text(content)
    assert read_token(str(tmp_path)) is None


def test_keys_are_derived_from_the_token() -> None:
    """The same after a restart, different for each use, and without the token in them."""
    keys, again, other = Keys("token-" * 4), Keys("token-" * 4), Keys("other-" * 4)
    assert keys.accepts_token("token-" * 4) and not keys.accepts_token("")
    assert keys.accepts_cookie(again.cookie) and not keys.accepts_cookie(other.cookie)
    assert keys.accepts_form(again.form) and not keys.accepts_form(keys.cookie)
    assert not keys.accepts_form("ü") and "token" not in keys.cookie + keys.form


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8890", "192.168.1.20:8890", "localhost:1", "LOCALHOST", "[::1]:8890", "car.local:8890"],
)
def test_own_hosts(host: str) -> None:
    """Addresses, and the names of this machine."""
    assert is_own_host(host, names=["localhost", "car.local"])


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8890", "127.0.0.1.evil.example", "1.2.3.4@evil.example", "[::1"],
)
def test_foreign_hosts(host: str) -> None:
    """What a browser sends for a site that lets its name point to this machine."""
    assert not is_own_host(host, names=["localhost", "car.local"])


def test_the_rate_of_calls_is_limited() -> None:
    """For each address, and only for a while."""
    now = [0.0]
    limit = RateLimit(2, 60, clock=lambda: now[0])
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]
    assert limit.allows("b")
    now[0] = 61.0
    assert limit.allows("a")


def test_many_addresses_take_no_memory() -> None:
    """Of somebody who has a whole network of them."""
    limit = RateLimit(2, 60)
    for number in range(5000):
        limit.allows(str(number))
    assert len(limit._calls) <= 1001
