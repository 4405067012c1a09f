"""Pages from an archive, which the owner opens in a browser."""

import pytest

from donkey_sagemaker.contract import REPORT_CAR_MARK
from donkey_sagemaker.page import (
    PAGE_START,
    box,
    cards,
    escape,
    figure,
    film,
    image,
    make_page,
    paragraph,
    section,
    table,
)
from donkey_sagemaker.untrusted_page import find_fault


def test_our_own_pages() -> None:
    """Whatever text is in them."""
    page = make_page(
        "<script>alert(1)</script>",
        cards([("1 < 2", 'onclick="x"')]),
        REPORT_CAR_MARK,
        section("Both", paragraph("<b>"), table([("javascript:1", "a > b")], head=("one", "two"))),
        image(b"JFIF", kind="jpeg", alt=escape('"><script>')),
        figure(film(b"RIFF", still=b"JFIF", alt='"<b>'), "<br>", style="chart"),
        box('"><script>', "<b>", "'><script>"),
    )
    assert find_fault(page.encode("utf-8")) is None


@pytest.mark.parametrize(
    "markup, fault",
    [
        ("<script>alert(1)</script>", "it contains <script>"),
        ("<SCRIPT>alert(1)</SCRIPT>", "it contains '<SCRIPT>'"),
        ('<script src="data:image/png;">', "it contains <script>"),
        ('<img src="x">', "its <img> has src='x'"),
        ('<img src="data:image/png;base64,AA" onerror="alert(1)">', "its <img> has onerror='alert(1)'"),
        ("<svg/onload=alert(1)>", "it contains '<svg/onload=alert(1)>'"),
        ('<a href="javascript:alert(1)">x</a>', "its <a> has href='javascript:alert(1)'"),
        ('<a href="https://example.com">x</a>', "its <a> has href='https://example.com'"),
        ('<meta http-equiv="refresh" content="0; url=x">', "its <meta> has http-equiv='refresh'"),
        ('<form action="https://example.com">', "it contains <form>"),
        ('<base href="https://example.com">', "it contains <base>"),
        ("<!-- > -->", "it contains '<!-- >'"),
        ("<b", "it contains '<b</body>'"),
    ],
)
def test_what_our_pages_do_not_have(markup: str, fault: str) -> None:
    """Scripts and events, which the policy stops, and what sends the reader elsewhere, which it does not."""
    found = find_fault(make_page("title", markup).encode("utf-8"))
    assert found is not None and found.startswith(fault[:-9] if markup == "<b" else fault)


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"<!DOCTYPE html><p>no policy</p>",
        b"<script>alert(1)</script>" + PAGE_START.encode(),
        PAGE_START.replace("'none'", "*").encode(),
    ],
)
def test_a_page_with_another_policy(page: bytes) -> None:
    """The policy is ours, and comes before anything that it forbids."""
    assert find_fault(page) == "it does not begin with the policy that forbids scripts"


def test_bytes() -> None:
    """In another encoding, the markup would be elsewhere."""
    assert find_fault(PAGE_START.encode() + b"\xff") == "it is not UTF-8"
    assert find_fault(PAGE_START.encode("utf-16")) == "it is not UTF-8"
