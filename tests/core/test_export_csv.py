"""CSV files of expenses, read back by Python's own reader."""

import csv
import io
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from core.queries import export_rows
from core.queries.expenses import ExpenseFilter, ExpenseRecord
from core.queries.export_csv import HEADER, build_csv
from core.rules.conversion import format_rate
from core.rules.money import format_amount
from core.services.expense_drafts import ExpenseInput
from core.sheets.texts import split_tags, unescape
from tests.core.exporting import Owner, expenses, file_of, new_owner


@pytest.fixture
def owner(database: Database) -> Owner:
    return new_owner(database)


def read_back(content: bytes, *, delimiter: str = ",", encoding: str = "utf-8") -> list[dict[str, Any]]:
    text = content.decode(encoding)
    rows = [*csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)]
    assert tuple(rows[0]) == HEADER
    return [dict(zip(HEADER, row, strict=True)) for row in rows[1:]]


def expected(record: ExpenseRecord, owner: Owner) -> dict[str, Any]:
    """What the row of an expense says, every text and number of it."""
    lines = [
        {
            "amount": format_amount(line.amount_minor, record.currency),
            **({"category": owner.paths[line.category_id]} if line.category_id else {}),
            **({"note": line.note} if line.note else {}),
        }
        for line in record.lines
    ]
    return {
        "date": record.spent_on.isoformat(),
        "amount": format_amount(record.amount_minor, record.currency),
        "currency": record.currency,
        "category": owner.paths[record.category_id] if record.category_id else "",
        "payee": record.payee or "",
        "note": record.note or "",
        "tags": list(record.tags),
        "exchange_rate": format_rate(record.rate) if record.rate else "",
        "rate_currency": record.rate_currency or "",
        "source": record.source,
        "lines": lines,
        "id": str(record.id),
    }


def understood(row: dict[str, Any], point: str = ".") -> dict[str, Any]:
    """The row as an import takes it."""
    texts = {name: unescape(row[name]) for name in ("category", "payee", "note", "source", "tags", "lines")}
    return {
        **row,
        **texts,
        "amount": row["amount"].replace(point, "."),
        "exchange_rate": row["exchange_rate"].replace(point, "."),
        "tags": split_tags(texts["tags"]),
        "lines": json.loads(texts["lines"] or "[]"),
    }


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_everything_comes_back_as_it_was(owner: Owner, data: st.DataObject) -> None:
    records = owner.record(data.draw(st.lists(expenses(owner), min_size=1, max_size=8)))
    ids = {str(record.id) for record in records}
    wanted = [expected(one, owner) for one in sorted(records, key=lambda one: (one.spent_on, one.id))]
    plain = read_back(file_of(owner, build_csv))
    assert [understood(row) for row in plain if row["id"] in ids] == wanted
    other = file_of(owner, build_csv, dialect="spreadsheet")
    assert other.startswith("\ufeff".encode())
    rows = read_back(other, delimiter=";", encoding="utf-8-sig")
    assert [understood(row, ",") for row in rows if row["id"] in ids] == wanted
    for row in plain:
        assert not row["amount"].startswith("'"), "numbers are never touched"
        assert not row["note"].lstrip().startswith(("=", "+", "-", "@"))


def test_a_file_is_what_rfc_4180_says(owner: Owner) -> None:
    owner.record(
        [
            ExpenseInput(
                user_id=owner.id, amount="-1234.50", currency="EUR", spent_on=date(2026, 5, 4),
                payee='Say "hi", Joe', note="two\nlines", tags=("trip", "sea, sand"),
            ),
            ExpenseInput(user_id=owner.id, amount="700", currency="JPY", spent_on=date(2026, 5, 5)),
        ]
    )  # fmt: skip
    first, second, third, end = file_of(owner, build_csv).decode().split("\r\n")
    assert first == ",".join(HEADER)
    assert second.startswith(
        '2026-05-04,-1234.50,EUR,,"Say ""hi"", Joe","two\nlines","trip, ""sea, sand""",,,manual,,'
    )
    assert third.startswith("2026-05-05,700,JPY,,,,,,,manual,,")
    assert end == ""
    assert (
        file_of(owner, build_csv, dialect="spreadsheet")
        .decode()
        .split("\r\n")[1]
        .startswith(
            '2026-05-04;-1234,50;EUR;;"Say ""hi"", Joe";"two\nlines";"trip, ""sea, sand""";;;manual;;'
        )
    )


def test_a_file_of_nothing_has_its_header(owner: Owner) -> None:
    assert file_of(owner, build_csv) == f"{','.join(HEADER)}\r\n".encode()


def test_it_has_what_the_list_has_with_the_same_filters_in_its_order(owner: Owner) -> None:
    def expense(amount: str, day: int, **fields: Any) -> ExpenseInput:
        return ExpenseInput(user_id=owner.id, amount=amount, spent_on=date(2026, 5, day), **fields)

    owner.record(
        [expense("1", 3, tags=("a",)), expense("5", 1), expense("3", 2, payee="Bakery"), expense("9", 9)]
    )

    def amounts(sort: str = "spent_on", **filters: Any) -> list[str]:
        content = file_of(owner, build_csv, sort=sort, filters=ExpenseFilter(**filters))
        return [row["amount"] for row in read_back(content)]

    assert amounts() == ["5.00", "3.00", "1.00", "9.00"]
    assert amounts("-amount") == ["9.00", "5.00", "3.00", "1.00"]
    assert amounts(to_day=date(2026, 5, 3), min_amount=30_000) == ["5.00", "3.00"]
    assert amounts(tag="a") == ["1.00"]
    assert amounts(text="bak") == ["3.00"]
    assert amounts(currency="USD") == []


def test_batches_follow_each_other_without_a_gap(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_rows, "BATCH", 3)
    day = date(2026, 5, 4)
    for count in (1, 2, 3):
        owner.record([ExpenseInput(user_id=owner.id, amount=f"{n}", spent_on=day) for n in range(count)])
    rows = read_back(file_of(owner, build_csv))
    assert sorted(row["amount"] for row in rows) == ["0.00", "0.00", "0.00", "1.00", "1.00", "2.00"]


def test_what_lies_in_the_trash_or_is_anothers_is_not_in_it(owner: Owner, database: Database) -> None:
    from core.services.expenses import delete_expense

    other = new_owner(database)
    day = date(2026, 5, 4)
    other.record([ExpenseInput(user_id=other.id, amount="7", spent_on=day)])
    [deleted] = owner.record([ExpenseInput(user_id=owner.id, amount="1", spent_on=day)])
    with database.transaction() as session:
        delete_expense(session, user_id=owner.id, expense_id=deleted.id)
    assert read_back(file_of(owner, build_csv)) == []
