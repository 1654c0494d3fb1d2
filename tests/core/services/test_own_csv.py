"""Our own CSV is read by the letter: what is not as we write it is a problem of its row, and no other's."""

import io
from uuid import uuid4

import pytest

from core.queries.export_csv import HEADER
from core.queries.imports import Problem
from core.services.import_protocol import NewRow
from core.services.own_csv import is_own, own_mapping, read_own_csv
from core.statements.mapping import Mapping

GOOD = {"date": "2026-05-04", "amount": "3.20", "currency": "EUR"}
LINES = '[{"amount":"1.20","category":"Food"},{"amount":"2.00"}]'


def read(*rows: dict[str, str], delimiter: str = ",") -> list[NewRow | Problem]:
    lines = [",".join(HEADER)]
    for row in rows:
        cells = [row.get(name, "").replace('"', '""') for name in HEADER]
        lines.append(",".join(f'"{cell}"' for cell in cells))
    mapping = own_mapping(Mapping(currency="EUR"))
    return list(read_own_csv(io.BytesIO("\r\n".join(lines).encode()), mapping))


def test_it_is_known_by_its_header_which_may_grow() -> None:
    assert is_own(HEADER)
    assert is_own((*HEADER, "weather"))
    assert not is_own(HEADER[:-1])
    assert not is_own(("date", "amount", "currency"))


def test_a_row_has_all_that_was_written() -> None:
    expense_id = str(uuid4())
    (row,) = read(
        {
            **GOOD,
            "payee": "'=Bakery",
            "note": "two\r\nlines",
            "tags": 'trip, "sea, sand"',
            "exchange_rate": "1.25",
            "rate_currency": "USD",
            "lines": LINES,
            "id": expense_id,
        }
    )
    assert isinstance(row, NewRow)
    assert (row.line, row.amount_minor) == (2, 320)
    assert (row.data.payee, row.data.note, row.data.tags) == (
        "=Bakery",
        "two\r\nlines",
        ("trip", "sea, sand"),
    )
    assert (row.data.rate_currency, row.data.rate, row.data.bank_id) == ("USD", 125_000_000, expense_id)
    assert [(one.amount_minor, one.category) for one in row.data.lines] == [(120, "Food"), (200, None)]
    assert row.data.category_names() == ["Food"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"date": "04.05.2026"}, "day"),
        ({"date": "1026-05-04"}, "day"),
        ({"date": ""}, "day"),
        ({"amount": "3,20"}, "amount"),
        ({"amount": "3.205"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"currency": "eur"}, "currency"),
        ({"currency": ""}, "currency"),
        ({"payee": "x" * 201}, "payee"),
        ({"payee": "a\nb"}, "payee"),
        ({"note": "x" * 2_001}, "note"),
        ({"note": "a\0b"}, "note"),
        ({"category": "x" * 203}, "category"),
        ({"tags": ", ".join(f"t{n}" for n in range(21))}, "tags"),
        ({"tags": "x" * 51}, "tags"),
        ({"exchange_rate": "1.25"}, "rate_currency"),
        ({"rate_currency": "USD"}, "exchange_rate"),
        ({"exchange_rate": "1.25", "rate_currency": "EUR"}, "rate_currency"),
        ({"exchange_rate": "0", "rate_currency": "USD"}, "exchange_rate"),
        ({"lines": "[]]"}, "lines"),
        ({"lines": "[" * 10_000}, "lines"),
        ({"lines": '[{"amount":"1.00"}]'}, "lines"),
        ({"lines": '[{"amount":"x"}]'}, "lines"),
        ({"lines": "[" + ",".join(['{"amount":"0.00"}'] * 101) + "]"}, "lines"),
        ({"lines": '[{"amount":"3.20","note":"\\ud800"}]'}, "lines"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_what_is_not_as_we_write_it_is_named(wrong: dict[str, str], field: str) -> None:
    before, problem, after = read(GOOD, {**GOOD, **wrong}, GOOD)
    assert isinstance(before, NewRow)
    assert isinstance(after, NewRow)
    assert isinstance(problem, Problem)
    assert problem.field == field
    assert problem.reason
    assert len(problem.text) <= 200


def test_a_row_that_is_cut_off_is_a_problem() -> None:
    file = ",".join(HEADER) + "\r\n2026-05-04,3.20\r\n2026-05-04,3.20,EUR\r\n"
    first, second = read_own_csv(io.BytesIO(file.encode()), own_mapping(Mapping(currency="EUR")))
    assert isinstance(first, Problem)
    assert first.field == "currency"
    assert isinstance(second, NewRow)


def test_the_dialect_of_spreadsheets_has_a_comma_in_its_numbers() -> None:
    mapping = own_mapping(Mapping(currency="EUR", delimiter=";"))
    file = "\ufeff" + ";".join(HEADER) + "\r\n2026-05-04;-1234,50;EUR;;;;;1,25;USD;;;\r\n"
    (row,) = read_own_csv(io.BytesIO(file.encode()), mapping)
    assert isinstance(row, NewRow)
    assert (row.amount_minor, row.data.rate) == (-123_450, 125_000_000)
