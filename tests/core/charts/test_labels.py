import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts.labels import ELLIPSIS, MAX_LABEL_CHARACTERS, MAX_MARKS, clean, fit, width_of
from tests.core.charts.strategies import names
from tests.core.rules.strategies import patient


@patient
@given(name=names)
def test_a_clean_name_is_one_line_of_something_that_xml_can_hold(name: str) -> None:
    cleaned = clean(name)
    assert cleaned
    assert cleaned == " ".join(cleaned.split())
    assert len(cleaned) <= MAX_LABEL_CHARACTERS
    assert not {unicodedata.category(character) for character in cleaned} & {"Cc", "Cs", "Cn", "Co"}
    cleaned.encode()


@patient
@given(name=names)
def test_cleaning_twice_is_cleaning_once(name: str) -> None:
    assert clean(clean(name)) == clean(name)


@patient
@given(name=names, width=st.integers(40, 400), size=st.integers(8, 20))
def test_a_fitted_name_is_no_wider_than_its_room(name: str, width: int, size: int) -> None:
    fitted = fit(name, width, size)
    assert width_of(fitted, size) <= width
    assert fitted == clean(name) or fitted.endswith(ELLIPSIS)


def test_an_ordinary_name_stays_as_it_is() -> None:
    assert fit("Restaurants & cafés", 150, 13) == "Restaurants & cafés"


def test_a_long_name_ends_in_an_ellipsis_without_a_space_before_it() -> None:
    assert fit("Health insurance of the family", 100, 13) == "Health insuran…"
    assert fit("Health care", 58, 13) == "Health…"


def test_what_belongs_together_is_not_cut_apart() -> None:
    family = "👨\u200d👩\u200d👧"
    for width in range(15, 120):
        assert fit(family * 5, width, 13).removesuffix(ELLIPSIS).replace(family, "") == ""
    assert fit("e\u0301" * 50, 50, 13).count("e") == fit("e\u0301" * 50, 50, 13).count("\u0301")


def test_marks_do_not_pile_up_over_other_rows() -> None:
    assert clean("Z" + "\u0351" * 50 + "algo") == "Z" + "\u0351" * MAX_MARKS + "algo"


@pytest.mark.parametrize("direction", ["\u202e", "\u2066", "\u200f"])
def test_marks_of_direction_cannot_turn_a_row_around(direction: str) -> None:
    assert clean(f"abc{direction}def") == "abcdef"


@pytest.mark.parametrize("nothing", ["", " \n", "\x00", "\ud800", "\u202e"])
def test_a_name_of_nothing_is_a_question_mark(nothing: str) -> None:
    assert clean(nothing) == "?"
