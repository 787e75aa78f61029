"""The forms of manual pages."""

import pytest

from livectl.help import roff


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("--since", "\\-\\-since"),
        ("a\\b", "a\\eb"),
        ("…", "..."),
        ("`", "\\(ga"),
        ("plain é", "plain é"),
    ],
)
def test_letters_stand_for_themselves(text: str, escaped: str) -> None:
    assert roff.escaped(text) == escaped


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Say `a-b`.", ["Say \\fBa\\-b\\fR."]),
        (".config is a file", ["\\&.config is a file"]),
        ("'quoted'", ["\\&'quoted'"]),
        ("an `unclosed", ["an \\(gaunclosed"]),
    ],
)
def test_a_paragraph_has_no_request_and_no_backquote(text: str, lines: list[str]) -> None:
    assert roff.paragraph(text) == "\n".join([".PP", *lines, ""])


def test_a_long_paragraph_is_many_lines() -> None:
    lines = roff.paragraph("word " * 100).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) > 5


def test_literal_lines_stay_as_they_are() -> None:
    assert roff.literal("a  b\n.c") == ".PP\n.nf\n.RS 4\na  b\n\\&.c\n.RE\n.fi\n"


def test_a_term_has_its_words_below() -> None:
    assert (
        roff.items([("--a N", "What `it` is.")]) == ".TP\n\\fB\\-\\-a N\\fR\nWhat \\fBit\\fR is.\n"
    )


def test_a_page_has_a_head_and_no_empty_paragraphs() -> None:
    page = roff.page(
        [roff.title("a-b", 7, "1.0", "what it is"), roff.heading("x"), roff.paragraph("y")]
    )
    assert page == (
        '.TH "A\\-B" 7 "" "livehandle 1.0" ""\n.SH NAME\na\\-b \\- what it is\n.SH X\ny\n'
    )
