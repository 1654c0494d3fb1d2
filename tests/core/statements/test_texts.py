"""Texts from files: whatever stands there, what comes out can be stored."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.schemas.common import PLAIN, TEXT
from core.rules.texts import guard_formula
from core.statements.limits import MAX_SHOWN_CHARS, MAX_TAG_CHARS, MAX_TAGS
from core.statements.tags import exact_tags, tidy_tags
from core.statements.texts import exact_line, exact_note, joined_note, shown, tidy_line, tidy_note
from tests.core.rules.strategies import patient

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=100)
"""Also with halves of surrogate pairs, as escapes in JSON can bring them."""

PLAIN_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=50)


@patient
@given(ANY_TEXT, st.integers(1, 50))
def test_what_comes_out_can_be_stored(text: str, limit: int) -> None:
    lines = (tidy_line(text, limit), exact_line(text, limit))
    notes = (tidy_note(text, limit), exact_note(text, limit))
    for made, pattern in (*((line, PLAIN) for line in lines), *((note, TEXT) for note in notes)):
        if made is not None:
            assert 0 < len(made) <= limit
            assert re.search(pattern, made)
            made.encode()


def test_padding_is_removed_but_lines_of_a_note_stay() -> None:
    assert tidy_line("  ALBERT HEIJN 1234     AMSTERDAM\t\n", 200) == "ALBERT HEIJN 1234 AMSTERDAM"
    assert tidy_note(" first  line \r\n\r\n second\x00line ", 200) == "first line\nsecond line"
    assert tidy_line(" \t ", 200) is None


def test_long_texts_are_cut() -> None:
    assert tidy_line("ab cd", 3) == "ab"
    assert tidy_note("ab\ncd", 4) == "ab\nc"


@patient
@given(PLAIN_TEXT)
def test_what_we_have_exported_comes_back_exactly(text: str) -> None:
    assert exact_line(guard_formula(text), 100) == text
    assert exact_note(guard_formula(text), 100) == text


@patient
@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=50))
def test_a_note_of_ours_keeps_its_line_breaks(text: str) -> None:
    assert exact_note(guard_formula(text), 100) == text


def test_notes_are_joined_without_saying_a_thing_twice() -> None:
    assert joined_note(["Rent for May", None, "May", "Thanks"], 100) == "Rent for May Thanks"
    assert joined_note([None, None], 100) is None


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("holiday, sun", ("holiday", "sun")),
        ("holiday;sun", ("holiday", "sun")),
        ('a,"b,c"', ("a", "b,c")),
        ("#holiday #sun", ("holiday #sun",)),
        ("#holiday; #sun", ("holiday", "sun")),
        ("a,a, a", ("a",)),
        ("", ()),
        (" ,;, ", (";",)),
        ("a\nb\0c", ("a b c",)),
        ('"', ('"',)),
        ("x" * (MAX_TAG_CHARS + 1), ()),
    ],
)
def test_tags_are_taken_from_a_cell(cell: str, tags: tuple[str, ...]) -> None:
    assert tidy_tags(cell) == tags


@patient
@given(ANY_TEXT)
def test_tags_can_be_stored(cell: str) -> None:
    for tags in (tidy_tags(cell), exact_tags(cell)):
        assert len(tags) <= MAX_TAGS
        for tag in tags:
            assert re.search(r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$(?!\n)", tag)
            tag.encode()


@patient
@given(ANY_TEXT)
def test_raw_content_is_shown_shortened(text: str) -> None:
    assert len(shown(text)) <= MAX_SHOWN_CHARS
    assert len(shown(text * 1000)) <= MAX_SHOWN_CHARS
