"""Names of categories are recognised as other programs write them."""

from uuid import UUID

import pytest

from core.rules.category_names import CategoryName, match_names, split_name

FOOD, DINING, TRAVEL, OTHER_FOOD = (UUID(int=number) for number in range(1, 5))
THERE = [
    CategoryName(FOOD, "Food", None),
    CategoryName(DINING, "Café & Dining", FOOD),
    CategoryName(TRAVEL, "Travel", None),
    CategoryName(OTHER_FOOD, "Food", TRAVEL),
]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Food", (None, "Food")),
        (" Food ", (None, "Food")),
        ("Food: Dining", ("Food", "Dining")),
        ("Food:Dining", ("Food", "Dining")),
        ("Food > Dining", ("Food", "Dining")),
        ("Food: Dining: Sushi", ("Food", "Sushi")),
        ("Food:", (None, "Food:")),
        (":", (None, ":")),
        ("Gas/Fuel", (None, "Gas/Fuel")),
    ],
)
def test_a_name_may_come_with_its_parents(name: str, parts: tuple[str | None, str]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("food", FOOD),
        ("FOOD ", FOOD),
        ("cafe & dining", DINING),
        ("Food: Café & Dining", DINING),
        ("food > CAFE & DINING", DINING),
        ("Travel: Food", OTHER_FOOD),
        ("Travel: Dining", None),
        ("Fuel", None),
        ("", None),
    ],
)
def test_a_name_means_a_category_whatever_case_and_accents(name: str, meant: UUID | None) -> None:
    assert match_names([name], THERE).get(name) == meant


def test_a_category_with_a_separator_in_its_own_name_is_found_first() -> None:
    there = [*THERE, CategoryName(UUID(int=9), "Food: Café & Dining", None)]
    assert match_names(["Food: cafe & Dining"], there) == {"Food: cafe & Dining": UUID(int=9)}
