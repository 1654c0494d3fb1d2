"""Every file beside this repository, read by the product and by reading it independently."""

import io
from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from core.statements.formats import HEAD_BYTES, Format, detect_format
from core.statements.reading import propose_mapping, read_statement
from core.statements.rows import StatementRow
from core.statements.shared import read_shared
from core.statements.shared_entries import SharedEntry, SharedFile
from tests.real_data.files import (
    FIREFLY,
    FIREFLY_CURRENCY,
    SPLIIT,
    SPLIIT_TWIN,
    SPLITWISE,
    firefly_movements,
    totals,
)
from tests.real_data.group_files import (
    BOTH,
    Nets,
    spliit_columns,
    spliit_entries,
    splitwise_balances,
    splitwise_columns,
    splitwise_entries,
)
from tests.real_data.statement_files import (
    EURO,
    MINIMAL,
    MULTI,
    NUBANK,
    Booking,
    camt_bookings,
    ofx_bookings,
    statement_bytes,
)


def rows_of(name: str, expected: Format) -> list[StatementRow]:
    data = statement_bytes(name)
    assert detect_format(data[:HEAD_BYTES], name) == expected
    file = io.BytesIO(data)
    proposal = propose_mapping(file, file_format=expected, default_currency="EUR")
    assert (proposal.missing, proposal.doubts) == ((), ())
    rows = list(read_statement(file, file_format=expected, mapping=proposal.mapping))
    good = [row for row in rows if isinstance(row, StatementRow)]
    assert len(good) == len(rows)
    return good


def shared_of(name: str, expected: Format) -> tuple[SharedFile, list[SharedEntry]]:
    data = statement_bytes(name)
    assert detect_format(data[:HEAD_BYTES], name) == expected
    shared = read_shared(io.BytesIO(data), file_format=expected, default_currency="EUR")
    entries = list(shared.entries)
    good = [entry for entry in entries if isinstance(entry, SharedEntry)]
    assert len(good) == len(entries)
    for entry in good:
        assert sum(entry.paid.values()) == sum(entry.shares.values()) == entry.amount_minor
    return shared, good


def nets_of(entries: list[SharedEntry]) -> Nets:
    nets: Nets = Counter()
    for entry in entries:
        for person in BOTH:
            net = entry.paid.get(person, 0) - entry.shares.get(person, 0)
            nets[person, entry.currency] += net
    return nets


def booking_of(row: StatementRow) -> Booking:
    return Booking(row.day, row.currency, row.amount_minor, row.bank_id, row.account)


def test_the_statement_of_firefly_is_read() -> None:
    movements = firefly_movements()
    rows = rows_of(FIREFLY, "csv")
    assert [(row.day, row.payee, row.note, row.category, row.amount_minor) for row in rows] == [
        (one.day, one.payee, one.note, one.category, one.minor) for one in movements
    ]
    assert {row.currency for row in rows} == {FIREFLY_CURRENCY}
    assert (len(rows), sum(row.amount_minor for row in rows)) == (23, 58_827)
    assert (min(row.day for row in rows), max(row.day for row in rows)) == (
        date(2016, 2, 12),
        date(2016, 12, 12),
    )


@pytest.mark.parametrize(
    ("name", "count", "spent"), [(EURO, 2, {"USD": 50_000}), (NUBANK, 6, {"BRL": 128_091})]
)
def test_a_statement_in_ofx_is_read(name: str, count: int, spent: dict[str, int]) -> None:
    rows = rows_of(name, "ofx")
    assert [booking_of(row) for row in rows] == ofx_bookings(name)
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row.currency] += row.amount_minor
    assert (len(rows), sums) == (count, spent)


def test_the_day_of_a_statement_in_ofx_does_not_move_with_the_zone() -> None:
    """Midnight at three hours behind UTC."""
    assert {row.day for row in rows_of(NUBANK, "ofx")} == {date(2024, 3, 22), date(2024, 3, 23)}


@pytest.mark.parametrize(
    ("name", "count", "spent", "payees"),
    [(MINIMAL, 1, -885, ["NAME NAME"]), (MULTI, 2, -185, ["Company Name 1", "Company Name 2"])],
)
def test_a_statement_in_camt_is_read(name: str, count: int, spent: int, payees: list[str]) -> None:
    rows = rows_of(name, "camt")
    assert [booking_of(row) for row in rows] == camt_bookings(name)
    assert (len(rows), sum(row.amount_minor for row in rows)) == (count, spent)
    assert [row.payee for row in rows] == payees


def test_ten_years_of_splitwise_are_read() -> None:
    independent = splitwise_entries()
    shared, entries = shared_of(SPLITWISE, "splitwise")
    assert shared.people == ("John Doe", "Jane Doe")
    assert [
        (one.day, one.description, one.category, one.currency, one.amount_minor, one.is_settlement)
        for one in entries
    ] == [
        (one.day, _tidy(one.description), one.category, one.currency, one.minor, one.is_repayment)
        for one in independent
    ]
    assert [one.paid for one in entries] == [{one.payer: one.minor} for one in independent]
    assert [[one.shares.get(person, 0) for person in BOTH] for one in entries] == [
        [int(part) for part in one.fair] for one in independent
    ]
    assert (len(entries), sum(one.is_settlement for one in entries)) == (673, 29)
    assert totals_of(entries) == {"MKD": 335_909_800, "EUR": 1_511_360, "USD": 100_000}


def test_each_balance_of_splitwise_is_what_the_file_says() -> None:
    _, entries = shared_of(SPLITWISE, "splitwise")
    nets = nets_of(entries)
    for currency, balances in splitwise_balances().items():
        assert [Decimal(nets[person, currency]) / 100 for person in BOTH] == list(balances)
    columns = [(currency, [first, second]) for currency, first, second in splitwise_columns()]
    assert [
        (
            one.currency,
            [Decimal(one.paid.get(person, 0) - one.shares.get(person, 0)) / 100 for person in BOTH],
        )
        for one in entries
    ] == columns


def test_a_group_of_spliit_is_read_from_json() -> None:
    independent = spliit_entries()
    shared, entries = shared_of(SPLIIT_TWIN, "spliit_json")
    assert (shared.people, shared.currency) == (("John", "Jane"), "EUR")
    assert [
        (one.day, one.description, one.category, one.amount_minor, one.is_settlement) for one in entries
    ] == [(one.day, _tidy(one.description), one.category, one.minor, one.is_repayment) for one in independent]
    for entry, one in zip(entries, independent, strict=True):
        assert entry.paid == {one.payer: one.minor}
        assert all(abs(entry.shares.get(person, 0) - one.fair[person]) < 1 for person in BOTH)
    assert (len(entries), totals_of(entries)) == (75, {"EUR": 486_537})


def test_a_group_of_spliit_is_read_from_csv() -> None:
    independent = spliit_columns()
    shared, entries = shared_of(SPLIIT, "spliit_csv")
    assert shared.people == ("John", "Jane")
    for entry, row in zip(entries, independent, strict=True):
        assert (entry.day, entry.description, entry.amount_minor) == (
            row.day,
            _tidy(row.description),
            row.minor,
        )
        assert entry.paid == {row.payer: row.minor}
        assert all(abs(entry.shares.get(person, 0) - row.shares[person]) <= 1 for person in BOTH)
    assert (len(entries), totals_of(entries)) == (75, {"EUR": 486_537})


def test_both_files_of_spliit_tell_of_the_same_expenses() -> None:
    found = []
    for name, file_format in ((SPLIIT, "spliit_csv"), (SPLIIT_TWIN, "spliit_json")):
        _, entries = shared_of(name, file_format)  # type: ignore[arg-type]
        found.append(
            Counter(
                (one.day, one.description, one.amount_minor, *one.paid, one.is_settlement) for one in entries
            )
        )
    assert found[0] == found[1]


def _tidy(text: str) -> str:
    """Some people type a space too many."""
    return " ".join(text.split())


def totals_of(entries: list[SharedEntry]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for entry in entries:
        sums[entry.currency] += entry.amount_minor
    return sums


def test_what_firefly_spends_by_month_is_the_same_from_both_readings() -> None:
    spent: Counter[str] = Counter()
    for row in rows_of(FIREFLY, "csv"):
        spent[row.day.isoformat()[:7]] += row.amount_minor
    assert spent == totals(firefly_movements(), lambda one: one.month)
