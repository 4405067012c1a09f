"""Who may use the console: a token, a cookie made of it, forms of our own, and hosts that are this machine.

The token is in the address that the terminal shows. It is kept in the car's folder, so that a phone that has
opened that address once can open the page again tomorrow.
"""

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import socket
import time
from typing import Callable, Dict, List, Optional

from ..atomic import write_bytes
from ..untrusted_file import read_file

TOKEN_NAME = "token"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,64}")


def read_token(folder: str) -> Optional[str]:
    """The token that is kept in that folder; None if there is none."""
    try:
        text = read_file(os.path.join(folder, TOKEN_NAME), max_bytes=100).decode("ascii", "replace").strip()
    except OSError:
        return None
    return text if _TOKEN.fullmatch(text) else None


def make_token(folder: str) -> str:
    """A new one, kept where only its owner can read it. Who had the old one must open the new address."""
    token = secrets.token_urlsafe(16)
    path = os.path.join(folder, TOKEN_NAME)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(folder, 0o700)
    write_bytes(path, token.encode("ascii"), follows_link=False)
    return token


class Keys:
    """What is derived from the token, so that neither the cookie nor a page contains it."""

    def __init__(self, token: str) -> None:
        self._token = token
        self.cookie = self._derive("cookie")
        self.form = self._derive("form")

    def _derive(self, purpose: str) -> str:
        return hmac.new(self._token.encode("ascii"), purpose.encode("ascii"), hashlib.sha256).hexdigest()

    def accepts_token(self, text: str) -> bool:
        return _same(text, self._token)

    def accepts_cookie(self, text: str) -> bool:
        return _same(text, self.cookie)

    def accepts_form(self, text: str) -> bool:
        return _same(text, self.form)


def _same(text: str, secret: str) -> bool:
    """In a time that does not tell how much of it is right."""
    return hmac.compare_digest(text.encode("utf-8", "replace"), secret.encode("ascii"))


def is_own_host(host: str, *, names: List[str]) -> bool:
    """Whether a Host header names this machine: by an address, or by one of its names.

    A page of another site that lets its own name point to this machine (DNS rebinding) sends that name.
    """
    name = re.sub(r":[0-9]{1,5}$", "", host.strip().lower())
    try:
        ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return name in names
    return True


def own_names() -> List[str]:
    """What browsers on this machine and in its network call it."""
    host = socket.gethostname().lower()
    short = host.split(".")[0]
    return ["localhost", host, short, short + ".local"]


class RateLimit:
    """At most so many calls from one address in so many seconds.

    Args:
        clock: gives seconds.
    """

    def __init__(self, most: int, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._calls: Dict[str, List[float]] = {}

    def allows(self, address: str) -> bool:
        """Counts this call, unless it is one too many."""
        now = self._clock()
        recent = [at for at in self._calls.get(address, []) if now - at < self._seconds]
        if len(recent) >= self._most:
            return False
        if len(self._calls) > 1000:  # addresses, of somebody who has many
            self._calls.clear()
        self._calls[address] = recent + [now]
        return True
