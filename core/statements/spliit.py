"""The files of spliit (github.com/spliit-app/spliit): JSON with all that there is, and CSV with less.

The CSV has each one's share in a column of their own, each rounded by itself, with a minus for those who have
not paid. So the shares of a row may miss its cost by some cents: the cost is divided in proportion to them,
which brings each within a cent or so of what the file says, and lets the books close. Who has paid all and
shares nothing of it has a zero there, as have those who had no part in it; where that leaves open who paid,
the row is a problem and the JSON file the way out.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, BinaryIO

from core.rules.money import MAX_AMOUNT_MINOR, format_amount, is_currency
from core.statements.amounts import MoneyError, read_currency
from core.statements.cells import Cell, problem, text_of
from core.statements.csv_files import head_of, records_of
from core.statements.encodings import find_encoding
from core.statements.json_items import json_items
from core.statements.limits import MAX_PREAMBLE_LINES, MAX_ROWS
from core.statements.movements import EntryError, free_amount, minor_of
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem
from core.statements.shared_entries import SharedEntry, SharedFile, day_of, divided, entry_of, people_of
from core.statements.text_lines import TextLines
from core.statements.texts import shown
from core.statements.vocabulary import header_key, word_key

_YES = frozenset(("yes", "true", "1"))
_SPLIT_MODE = "split mode"
"""The last column before those of the people."""


def open_spliit_csv(file: BinaryIO, default_currency: str) -> SharedFile:
    """As `shared.read_shared`, for spliit's CSV."""
    encoding = find_encoding(file, default_currency).encoding
    for line, cells in head_of(file, encoding, ",", MAX_PREAMBLE_LINES):
        keys = [header_key(text_of(cell)) for cell in cells]
        if _SPLIT_MODE in keys:
            first = keys.index(_SPLIT_MODE) + 1
            people = people_of([text_of(cell) for cell in cells[first:]])
            lines = TextLines(file, encoding)
            return SharedFile(
                people, None, _csv_entries(lines, line, keys[:first], len(people), default_currency)
            )
    raise UnreadableFile("has no line that names the columns of spliit")


def _csv_entries(
    lines: TextLines, header: int, keys: Sequence[str], people: int, default_currency: str
) -> Iterator[SharedEntry | RowProblem]:
    for line, cells in records_of(lines, ","):
        if isinstance(cells, RowProblem):
            yield cells
        elif line > header and any(text_of(cell).strip() for cell in cells):
            try:
                yield _csv_entry(line, cells, keys, people, default_currency)
            except EntryError as error:
                yield problem(line, cells, error.field, str(error))


def _csv_entry(
    line: int, cells: Sequence[Cell], keys: Sequence[str], people: int, default_currency: str
) -> SharedEntry:
    row = [text_of(cell) for cell in cells]
    row += [""] * (len(keys) + people - len(row))
    named = dict(zip(keys, row, strict=False))
    currency = _currency(named.get("currency"), default_currency)
    cost = _minor(named.get("cost", ""), currency)
    sign = -1 if cost < 0 else 1
    columns = [sign * _minor(text or "0", currency) for text in row[len(keys) : len(keys) + people]]
    payer = _payer(columns)
    return entry_of(
        line=line,
        day=day_of(named.get("date", "")),
        description=named.get("description", ""),
        category=named.get("category"),
        currency=currency,
        amount_minor=cost,
        paid={payer: cost},
        shares=_rescaled(cost, [abs(column) for column in columns], line),
        is_repayment=word_key(named.get("is reimbursement", "")) in _YES,
        note=_original(
            named.get("original cost"), named.get("original currency"), named.get("conversion rate")
        ),
    )


def _payer(columns: Sequence[int]) -> int:
    """Whose column is above zero; else who alone has a zero."""
    positive = [person for person, column in enumerate(columns) if column > 0]
    candidates = positive or [person for person, column in enumerate(columns) if not column]
    if len(candidates) != 1:
        raise EntryError(None, "does not show who has paid")
    return candidates[0]


def _rescaled(cost: int, columns: Sequence[int], line: int) -> dict[int, int]:
    if not any(columns):
        raise EntryError(None, "has no shares")
    return divided(cost, {person: column for person, column in enumerate(columns) if column}, rotation=line)


def open_spliit_json(file: BinaryIO, default_currency: str) -> SharedFile:
    """As `shared.read_shared`, for spliit's JSON. Amounts are in minor units."""
    people: dict[str, str] = {}
    code = symbol = None
    count = 0
    # The people come after the expenses, so that the file is read twice.
    for key, value in json_items(file):
        if key == "participants" and isinstance(value, dict):
            people[str(value.get("id"))] = str(value.get("name") or "")
        elif key == "currencyCode" and isinstance(value, str):
            code = value.strip()
        elif key == "currency" and isinstance(value, str):
            symbol = value
        elif key == "expenses":
            count += 1
            if count > MAX_ROWS:
                raise UnreadableFile(f"has more than {MAX_ROWS} rows")
    names = people_of(list(people.values()))
    currency = _group_currency(code, symbol, default_currency)
    return SharedFile(names, currency, _json_entries(file, list(people), currency))


def _group_currency(code: str | None, symbol: str | None, default: str) -> str:
    if code:
        if not is_currency(code):
            raise UnreadableFile(f'has the currency "{shown(code)[:20]}", which is no active ISO 4217 code')
        return code
    try:
        return read_currency(symbol or "", default)
    except MoneyError:
        # A symbol of the group's own making.
        return default


def _json_entries(file: BinaryIO, ids: Sequence[str], currency: str) -> Iterator[SharedEntry | RowProblem]:
    people = {id_: index for index, id_ in enumerate(ids)}
    number = 0
    for key, value in json_items(file):
        if key != "expenses":
            continue
        number += 1
        try:
            if not isinstance(value, dict):
                raise EntryError(None, "is no expense")
            yield _json_entry(number, value, people, currency)
        except EntryError as error:
            title = value.get("title") if isinstance(value, dict) else value
            yield RowProblem(line=number, field=error.field, reason=str(error), text=shown(str(title)))


def _json_entry(
    number: int, expense: Mapping[str, Any], people: Mapping[str, int], currency: str
) -> SharedEntry:
    amount = _whole(expense.get("amount"), "amount")
    payer = people.get(str(expense.get("paidById")))
    if payer is None:
        raise EntryError("paid", "was paid by somebody who is not in the group")
    category = expense.get("category")
    name = category.get("name") if isinstance(category, dict) else category
    notes = (expense.get("notes"), _json_original(expense))
    return entry_of(
        line=number,
        day=day_of(str(expense.get("expenseDate") or "")),
        description=str(expense.get("title") or ""),
        category=str(name) if name else None,
        currency=currency,
        amount_minor=amount,
        paid={payer: amount},
        shares=divided(amount, _weights(expense, people), rotation=number),
        is_repayment=expense.get("isReimbursement") is True,
        note="\n".join(str(note) for note in notes if note) or None,
    )


def _weights(expense: Mapping[str, Any], people: Mapping[str, int]) -> dict[int, int]:
    """In proportion to which the amount is divided. spliit takes percentages and amounts for that too."""
    parts = expense.get("paidFor")
    if not isinstance(parts, list):
        raise EntryError("shares", "does not say for whom it was paid")
    is_even = expense.get("splitMode") == "EVENLY"
    weights: dict[int, int] = {}
    for part in parts:
        person = people.get(str(part.get("participantId"))) if isinstance(part, dict) else None
        if person is None:
            raise EntryError("shares", "was paid for somebody who is not in the group")
        weight = 1 if is_even else _whole(part.get("shares"), "shares")
        weights[person] = weights.get(person, 0) + weight
    if not any(weights.values()):
        raise EntryError("shares", "does not say for whom it was paid")
    if min(weights.values()) < 0 < max(weights.values()):
        raise EntryError("shares", "are below zero for some and above it for others")
    return weights


def _whole(value: Any, field: str) -> int:
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 20:
        value = int(value) if value == value.to_integral_value() else None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_AMOUNT_MINOR:
        raise EntryError(field, "is no amount in minor units")
    return value


def _currency(text: str | None, default: str) -> str:
    try:
        return read_currency(text or "", default) if text else default
    except MoneyError as error:
        raise EntryError("currency", str(error)) from None


def _minor(text: str, currency: str) -> int:
    return minor_of(free_amount(text, currency), currency)


def _original(amount: str | None, currency: str | None, rate: str | None) -> str | None:
    """What was paid in another currency, in words."""
    if not amount or not currency:
        return None
    return f"Originally {amount} {currency}" + (f" at {rate}" if rate else "")


def _json_original(expense: Mapping[str, Any]) -> str | None:
    minor, currency, rate = (
        expense.get(key) for key in ("originalAmount", "originalCurrency", "conversionRate")
    )
    if not isinstance(minor, int) or not isinstance(currency, str) or not is_currency(currency):
        return None
    return _original(format_amount(minor, currency), currency, None if rate is None else str(rate))
