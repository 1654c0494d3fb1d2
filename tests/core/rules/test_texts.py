"""Texts in the forms in which they are searched and compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.texts import guard_formula, loose_key, search_key, unguard_formula


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café", "CAFE"),
        ("Cafe\N{COMBINING ACUTE ACCENT}", "café"),
        ("Straße", "STRASSE"),
        ("\N{LATIN SMALL LIGATURE FI}sh", "FISH"),
        ("Ærø", "ærø"),
        ("İstanbul", "istanbul"),
        ("Ёлки", "елки"),
        ("Αθήνα", "ΑΘΗΝΑ"),
        ("", None),
    ],
)
def test_neither_case_nor_accents_make_a_difference(one: str, other: str | None) -> None:
    assert loose_key(one) == loose_key(other)


@pytest.mark.parametrize(("one", "other"), [("か", "が"), ("가", "각"), ("ø", "o"), ("a b", "ab")])
def test_what_makes_another_letter_is_none_of_them(one: str, other: str) -> None:
    assert loose_key(one) not in loose_key(other)
    assert loose_key(other) not in loose_key(one)


def test_what_is_searched_keeps_its_accents() -> None:
    assert search_key("Café", None, "\N{LATIN SMALL LIGATURE FI}SH") == "café\nfish"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\0=1", "'=1", "''=1", "=HYPERLINK(1)"]
)
def test_a_text_that_begins_like_a_formula_is_guarded(text: str) -> None:
    assert guard_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Lidl", "'t Hof", "''", "'", "1-1", " =1"])
def test_other_texts_are_left_as_they_are(text: str) -> None:
    assert guard_formula(text) == text
    assert unguard_formula(text) == text


@given(st.text() | st.from_regex(r"'{0,3}[=+\-@\t].*", fullmatch=True))
def test_a_guard_is_taken_off_again(text: str) -> None:
    assert unguard_formula(guard_formula(text)) == text
