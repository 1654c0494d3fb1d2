"""Texts in the forms in which they are searched and compared."""

import pytest

from core.rules.texts import loose_key, search_key


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
