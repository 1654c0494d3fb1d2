"""QIF as Quicken, GnuCash and banks write it."""

from datetime import date

import msgspec
import pytest

from core.statements.rows import RowProblem
from tests.core.statements.statement_files import proposed, read, row_of, rows_of


def file_of(*entries: str, kind: str = "Bank") -> bytes:
    return "\n".join((f"!Type:{kind}", *(f"{entry}\n^" for entry in entries), "")).encode()


@pytest.mark.parametrize("kind", ["Bank", "CCard", "Cash", "Oth A", "Oth L", "bank "])
def test_an_entry_is_read(kind: str) -> None:
    data = file_of("D31/01/2026\nT-1,234.50\nN101\nPShop\nMBread\nLFood:Bakery\nCX", kind=kind)
    row = row_of(data)
    assert (row.day, row.amount_minor, row.currency) == (date(2026, 1, 31), 123_450, "EUR")
    assert (row.payee, row.note, row.category, row.line) == ("Shop", "Bread Check 101", "Food:Bakery", 2)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1/13'06", date(2006, 1, 13)),
        ("1/ 2'06", date(2006, 1, 2)),
        (" 1/ 2/96", date(1996, 1, 2)),
        ("01/02/2006", date(2006, 1, 2)),
        ("2006-01-02", date(2006, 1, 2)),
        ("1/2'2006", date(2006, 1, 2)),
    ],
)
def test_dates_of_quicken_are_read(text: str, day: date) -> None:
    assert row_of(file_of(f"D{text}\nT-1.00"), currency="USD").day == day


def test_the_order_of_dates_is_found_or_said_to_be_open() -> None:
    assert row_of(file_of("D31.01.2026\nT-1,00")).day == date(2026, 1, 31)
    proposal = proposed(file_of("D03/04/2026\nT-1,00"))
    assert (proposal.mapping.date_order, proposal.is_date_order_certain) == ("dmy", False)
    assert proposal.doubts
    assert proposed(file_of("D03/04/2026\nT-1,00"), "USD").mapping.date_order == "mdy"


def test_splits_are_told_in_the_note_and_give_the_category() -> None:
    data = file_of(
        "D2026-01-31\nT-5.00\nPShop\nLFood\nSFood\nEBread\n$-3.00\nSHousehold\n$-2.00",
        "D2026-01-31\nPShop\nL--Split--\nSFood\n$-3.00\nSHousehold\n$-2.50",
    )
    first, second = rows_of(data)
    assert (first.amount_minor, first.category) == (500, "Food")
    assert first.note == "Food Bread -3.00; Household -2.00"
    assert (second.amount_minor, second.category) == (550, "Food")


def test_a_transfer_to_ones_own_account_has_no_category() -> None:
    data = file_of("D2026-01-31\nT-5.00\nL[Savings]", "D2026-01-31\nT-5.00\nLFood/trip")
    assert [row.category for row in rows_of(data)] == [None, "Food"]


def test_each_account_of_a_file_is_told() -> None:
    data = (
        b"!Option:AutoSwitch\n!Account\nNChecking\nTBank\n^\nNCard\nTCCard\n^\n!Clear:AutoSwitch\n"
        b"!Account\nNChecking\nTBank\n^\n!Type:Bank\nD2026-01-30\nT-1.00\n^\n"
        b"!Account\nNCard\nTCCard\n^\n!Type:CCard\nD2026-01-31\nT-2.00\n^\n"
    )
    assert [(row.account, row.amount_minor) for row in rows_of(data)] == [("Checking", 100), ("Card", 200)]


def test_lists_that_are_no_movements_are_passed_over() -> None:
    data = b"!Type:Cat\nNFood\nDEating\nE\n^\n!Type:Invst\nD2026-01-31\nNBuy\nT5.00\n^\n" + file_of(
        "D2026-01-31\nT-1.00"
    )
    assert row_of(data).amount_minor == 100


def test_a_bad_entry_stops_no_other() -> None:
    data = file_of("D2026-02-30\nT-1.00", "T-1.00", "D2026-01-31", "D2026-01-31\nTx", "D2026-01-31\nT-1.00")
    *problems, row = read(data)
    assert [(one.line, one.field) for one in problems if isinstance(one, RowProblem)] == [
        (2, "day"),
        (5, "day"),
        (7, "amount"),
        (9, "amount"),
    ]
    assert not isinstance(row, RowProblem)


def test_an_entry_that_lacks_its_end_is_read() -> None:
    assert row_of(b"!Type:Bank\r\nD2026-01-31\r\nT-1.00\r\nPShop\r\n").payee == "Shop"


def test_commas_and_signs_can_be_otherwise() -> None:
    data = file_of("D2026-01-31\nT1.234,56")
    assert row_of(data).amount_minor == -123_456
    mapping = msgspec.structs.replace(proposed(data).mapping, amount_sign="positive_is_spent")
    assert row_of(data, mapping).amount_minor == 123_456
    assert rows_of(data, msgspec.structs.replace(proposed(data).mapping, credits="skip")) == []
