"""Texts of cells: nothing passes for a formula, and everything comes back as it was."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.sheets.texts import csv_cell, escape, join_tags, split_tags, unescape

STARTS = st.text(st.sampled_from("'=+-@\t\r\n\0 \u00a0\u3000\uff1d\uff20a1"), max_size=6)
TEXTS = st.tuples(STARTS, st.text(max_size=30)).map("".join)

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")

TAGS = st.lists(
    st.from_regex(r"[^\x00-\x20\x7f]([^\x00-\x1f\x7f]{0,20}[^\x00-\x20\x7f])?", fullmatch=True), max_size=5
)


@given(TEXTS)
@example("'=1+1")
@example("''=1+1")
@example("' -1")
@example("'quoted'")
def test_every_text_comes_back_as_it_was(text: str) -> None:
    assert unescape(escape(text)) == text


@given(TEXTS)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    for delimiter in (",", ";", "\t"):
        line = f"x{delimiter}{csv_cell(text)}\r\n"
        [[_x, cell]] = csv.reader(io.StringIO(line, newline=""), delimiter=delimiter)
        assert unescape(cell) == text
        assert not cell.lstrip(" \u00a0\u3000\x1c\x1d\x1e\x1f\x85\u2028\u2029").startswith(DANGEROUS)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=SUM(A1)", "'=SUM(A1)"),
        ("-5 % discount", "'-5 % discount"),
        (" @home", "' @home"),
        ("\t=1", "'\t=1"),
        ("'=1", "''=1"),
        ("'tis", "'tis"),
        ("5-3=2", "5-3=2"),
        ("a@b.example", "a@b.example"),
        ("Café", "Café"),
        ("", ""),
    ],
)
def test_what_begins_like_a_formula_gets_an_apostrophe_and_nothing_else_does(text: str, cell: str) -> None:
    assert escape(text) == cell


@given(TAGS)
@example(["a, b", 'say "x"', '"', ",", "=x", "\u00a0x"])
def test_tags_come_back_from_their_cell(tags: list[str]) -> None:
    assert split_tags(join_tags(tags)) == tags


@pytest.mark.parametrize(
    ("cell", "tags"),
    [("", []), ("a", ["a"]), ("a,b , c", ["a", "b", "c"]), (",,a,", ["a"]), ('"sea, sand"', ["sea, sand"])],
)
def test_tags_are_read_as_people_write_them(cell: str, tags: list[str]) -> None:
    assert split_tags(cell) == tags
