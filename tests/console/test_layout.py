"""What every page of the console consists of."""

import re

from donkey_sagemaker.console.layout import (
    Forms,
    address,
    choice,
    live,
    make_document,
    number,
    output,
    path_of,
    select,
)

EVIL = '"><script>x</script>'


def test_everything_is_escaped() -> None:
    """In texts, attributes and addresses."""
    page = make_document(
        EVIL,
        Forms("key").button(EVIL, "/x", {"name": EVIL}),
        choice("a", EVIL, EVIL, kind="radio", is_chosen=True, note=EVIL),
        select("a", EVIL, [(EVIL, EVIL)], chosen=EVIL),
        output(EVIL),
        live("/live", "") + number("a", EVIL, 3),
    )
    assert "<script>x" not in page and page.count("<script ") == 1
    assert address("/x", a=EVIL, b=None) == "/x?a=%22%3E%3Cscript%3Ex%3C%2Fscript%3E"
    assert path_of("models", "../x") == "/models/..%2Fx"


def test_forms_have_the_key() -> None:
    """Otherwise another site could send them."""
    assert '<input type="hidden" name="form" value="key">' in Forms("key").button("Go", "/x")


def test_the_present_page_is_marked() -> None:
    """Also for who cannot see it."""
    assert '<a href="/tubs" aria-current=page>Tubs</a>' in make_document("Tubs", current="/tubs")
    assert "<nav" not in make_document("No key", has_nav=False)


def test_output_is_bounded() -> None:
    """Its end is what matters."""
    assert output("a\nb\nc\n\n", lines=2) == "<pre>b\nc</pre>"
    assert output("") == output("\n") == ""
    assert output("x" * 9000 + "end") == "<pre>" + "x" * 3997 + "end</pre>"


def test_each_form_starts_one_command() -> None:
    """A second tap sends the same number; the next page has another one."""
    page = Forms("key").button("Go", "/x")
    (number_of_run,) = re.findall('name="run" value="([0-9a-f]{16})"', page)
    assert number_of_run not in Forms("key").button("Go", "/x")
    assert 'name="run"' not in Forms("key").button("Go", "/x", once=False)
