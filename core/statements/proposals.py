"""Mappings of tables as they are proposed: the columns, and how their dates and amounts are written."""

from collections.abc import Sequence
from itertools import islice
from typing import BinaryIO

import msgspec

from core.statements.amounts import find_decimal_sign
from core.statements.cells import Cell
from core.statements.csv_files import find_delimiter, head_of
from core.statements.days import OrderFound, find_order
from core.statements.encodings import find_encoding
from core.statements.formats import Format
from core.statements.limits import MAX_COLUMNS, MAX_PREAMBLE_LINES, MAX_SHOWN_CHARS
from core.statements.mapping import AmountSign, Columns, Mapping, Proposal, fingerprint
from core.statements.refusals import UnreadableFile
from core.statements.tables import (
    columns_of,
    currency_of,
    find_columns,
    find_header,
    is_negative,
    texts_of,
)
from core.statements.vocabulary import header_key

PROPOSED_FROM = 5_000
"""Rows from which the mapping is found out: more seldom tell more, and they are read before the preview."""

SAMPLES = 5

MOSTLY = 0.75
"""Part of the amounts that must be positive for them to be what was spent, as on credit cards."""

OPEN = 0.4
"""Part from which positive amounts may also be what was spent, with many payments and refunds among them."""

ENOUGH_AMOUNTS = 4
"""Fewer say nothing of which sign is usual."""

SIGN_DOUBT = "amounts do not show which sign money spent has: negative ones are taken for it"

_MONTH_FIRST = frozenset(("USD", "PHP"))


def propose_csv(file: BinaryIO, default_currency: str) -> Proposal:
    """As `reading.propose_mapping`, for CSV."""
    found = find_encoding(file, default_currency)
    delimiter = find_delimiter(file, found.encoding)
    records = head_of(file, found.encoding, delimiter, PROPOSED_FROM)
    if not records:
        raise UnreadableFile("has no rows that can be read")
    header = find_header(records[:MAX_PREAMBLE_LINES])
    names = [] if header is None else [str(cell) for cell in records[header][1]]
    rows = [cells for _, cells in records[0 if header is None else header + 1 :]]
    base = Mapping(
        currency=default_currency,
        encoding=found.encoding,
        delimiter=delimiter,
        header_row=None if header is None else records[header][0],
    )
    proposal = propose_table("csv", base, names, rows, comma_is_usual=delimiter == ";")
    if found.undecodable:
        doubt = f"{found.undecodable} letters are damaged in the file"
        proposal = msgspec.structs.replace(proposal, doubts=(*proposal.doubts, doubt))
    return proposal


def propose_table(
    file_format: Format,
    base: Mapping,
    names: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    comma_is_usual: bool,
) -> Proposal:
    """The mapping of a table, of which `base` says what it is already known to be."""
    table = columns_of(names, rows)[:MAX_COLUMNS]
    columns = find_columns(table)
    currency = currency_of(columns, names) or base.currency
    order = _order(columns, rows, prefers_month_first=currency in _MONTH_FIRST)
    amounts = texts_of(rows, columns.amount, columns.debit, columns.credit)
    sign = find_decimal_sign(amounts, default="," if comma_is_usual else ".")
    is_ours = {"spent on", "amount"} <= {header_key(name) for name in names}
    spent, sign_doubt = ("positive_is_spent", None) if is_ours else _amount_sign(columns, rows)
    doubts = (_order_doubt(order, columns, rows), decimal_doubt(sign.is_certain, amounts), sign_doubt)
    return Proposal(
        mapping=msgspec.structs.replace(
            base,
            currency=currency,
            columns=columns,
            date_order=order.order,
            decimal_sign=sign.decimal_sign,
            amount_sign=spent,
            credit_sign="negative_is_received"
            if _mostly_negative(rows, columns.credit)
            else base.credit_sign,
            texts="exact" if is_ours else "tidy",
        ),
        fingerprint=fingerprint(file_format, names or (f"{len(table)} columns",)),
        headers=tuple(
            column.name.strip()[:MAX_SHOWN_CHARS] or f"Column {column.index + 1}" for column in table
        ),
        samples=tuple(
            tuple(str(cell)[:MAX_SHOWN_CHARS] for cell in row[:MAX_COLUMNS]) for row in islice(rows, SAMPLES)
        ),
        missing=_missing(columns),
        doubts=tuple(filter(None, doubts)),
        is_date_order_certain=order.is_certain,
        is_decimal_sign_certain=sign.is_certain,
    )


def _order(columns: Columns, rows: Sequence[Sequence[Cell]], *, prefers_month_first: bool) -> OrderFound:
    """The order of the column's dates; a few cells that are none, such as remarks, must not hide it."""
    texts = texts_of(rows, columns.day)
    found = find_order(texts, prefers_month_first=prefers_month_first)
    return found or OrderFound("mdy" if prefers_month_first else "dmy", is_certain=not texts)


def _amount_sign(columns: Columns, rows: Sequence[Sequence[Cell]]) -> tuple[AmountSign, str | None]:
    """Which sign money that was spent has."""
    if columns.amount is None:
        is_negative_spent = _mostly_negative(rows, columns.debit)
        return "negative_is_spent" if is_negative_spent else "positive_is_spent", None
    signs = [is_negative(row[index]) for row, index in _filled(rows, columns.amount)]
    positive = len(signs) - sum(signs)
    if columns.direction is not None or not positive:
        return "negative_is_spent", None
    if len(signs) < ENOUGH_AMOUNTS or positive < MOSTLY * len(signs):
        is_open = len(signs) < ENOUGH_AMOUNTS or positive >= OPEN * len(signs)
        return "negative_is_spent", SIGN_DOUBT if is_open else None
    return (
        "positive_is_spent",
        "most amounts are positive: they are taken for money spent, and negative ones for refunds",
    )


def _mostly_negative(rows: Sequence[Sequence[Cell]], index: int | None) -> bool:
    """Whether most amounts of the column are."""
    negatives = [is_negative(row[index]) for row, index in _filled(rows, index)]
    return sum(negatives) * 2 > len(negatives)


def _filled(rows: Sequence[Sequence[Cell]], index: int | None) -> list[tuple[Sequence[Cell], int]]:
    if index is None:
        return []
    return [(row, index) for row in rows if index < len(row) and str(row[index]).strip()]


def _order_doubt(order: OrderFound, columns: Columns, rows: Sequence[Sequence[Cell]]) -> str | None:
    texts = texts_of(rows, columns.day)
    if order.is_certain or not texts:
        return None
    return f'dates such as "{texts[0][:MAX_SHOWN_CHARS]}" are taken to be in the order {order.order.upper()}'


def decimal_doubt(is_certain: bool, amounts: Sequence[str]) -> str | None:
    """The sentence for the user, unless the decimal sign is certain."""
    if is_certain or not amounts:
        return None
    return f'amounts such as "{amounts[0][:MAX_SHOWN_CHARS]}" could be thousands, or have decimals'


def _missing(columns: Columns) -> tuple[str, ...]:
    has_amount = not (columns.amount is columns.debit is columns.credit is None)
    return (*(() if columns.day is not None else ("day",)), *(() if has_amount else ("amount",)))
