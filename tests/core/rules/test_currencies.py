import csv
from pathlib import Path

import pytest

from core.rules.currencies import EXPONENTS

ISO_TABLE = Path(__file__).parents[3].parent / "shared" / "data" / "iso4217_all.csv"


def test_the_table_is_the_active_part_of_the_standard_s() -> None:
    if not ISO_TABLE.exists():
        pytest.skip("the standard's table is not beside this repository (../shared/data)")
    with ISO_TABLE.open(encoding="utf-8", newline="") as file:
        active = [row for row in csv.DictReader(file) if row["AlphabeticCode"] and not row["WithdrawalDate"]]
    assert dict(EXPONENTS) == {
        row["AlphabeticCode"]: int(row["MinorUnit"]) for row in active if row["MinorUnit"].isdigit()
    }


@pytest.mark.parametrize(
    ("code", "exponent"), [("EUR", 2), ("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("ISK", 0), ("TND", 3)]
)
def test_a_known_currency_has_its_exponent(code: str, exponent: int) -> None:
    assert EXPONENTS[code] == exponent


@pytest.mark.parametrize(
    "code", ["XAU", "XAG", "XPT", "XXX", "XTS", "XDR", "XSU", "XUA", "XBA", "DEM", "HRK"]
)
def test_a_metal_a_unit_without_minor_units_or_a_withdrawn_currency_is_not_listed(code: str) -> None:
    assert code not in EXPONENTS


def test_every_code_is_three_capitals_and_listed_once() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in EXPONENTS)
    assert len(EXPONENTS) == 165


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        EXPONENTS["EUR"] = 3  # type: ignore[index]
