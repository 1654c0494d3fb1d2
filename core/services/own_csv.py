"""Our own CSV, as `core/queries/export_csv.py` writes it, read back: lines, rates and texts as they were."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import BinaryIO

import msgspec

from core.queries.export_csv import HEADER
from core.queries.imports import Problem, RowData, RowLine
from core.rules.conversion import RateError, parse_rate
from core.rules.duplicates import bank_key, match_key
from core.rules.expense_rules import MAX_TAGS
from core.rules.money import AmountError, is_currency, parse_amount
from core.rules.periods import is_supported
from core.rules.texts import storable
from core.services.import_protocol import NewRow
from core.sheets.texts import split_tags, unescape
from core.statements.csv_files import records_of
from core.statements.limits import (
    MAX_CATEGORY_CHARS,
    MAX_NOTE_CHARS,
    MAX_PAYEE_CHARS,
    MAX_ROWS,
    MAX_SHOWN_CHARS,
    MAX_TAG_CHARS,
)
from core.statements.mapping import Columns, Mapping
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem
from core.statements.text_lines import TextLines

ACCOUNT = "outlay"
"""Instead of a bank's account: the ids in the file are ours."""

MAX_LINES = 100
"""Of an expense, as the API takes it."""

MAX_PATH_CHARS = 2 * MAX_CATEGORY_CHARS + len(": ")
"""Of a category with its parent's name."""

COLUMN = {name: index for index, name in enumerate(HEADER)}
COLUMNS = Columns(
    day=COLUMN["date"],
    amount=COLUMN["amount"],
    currency=COLUMN["currency"],
    category=COLUMN["category"],
    payee=COLUMN["payee"],
    note=(COLUMN["note"],),
    tags=COLUMN["tags"],
    bank_id=COLUMN["id"],
)

CONTROLS = re.compile("[\x00-\x1f\x7f]")


class Line(msgspec.Struct, frozen=True):
    """A part of an expense, as it stands in the column `lines`."""

    amount: str
    category: str | None = None
    note: str | None = None


class WrongCell(Exception):
    """What is wrong in a row, in the words of `Problem`."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field, self.reason = field, reason


LINES = msgspec.json.Decoder(list[Line])


def is_own(headers: Sequence[str]) -> bool:
    return tuple(headers[: len(HEADER)]) == HEADER


def own_mapping(found: Mapping) -> Mapping:
    """How our own file is read, of which the delimiter is found out: nothing else is left open."""
    return msgspec.structs.replace(
        found,
        encoding="utf-8",
        decimal_sign="," if found.delimiter == ";" else ".",
        date_order="ymd",
        header_row=1,
        columns=COLUMNS,
        amount_sign="positive_is_spent",
        credits="import",
        texts="exact",
    )


def read_own_csv(file: BinaryIO, mapping: Mapping) -> Iterator[NewRow | Problem]:
    """The rows in the file's order, each read when it is asked for.

    Raises:
        UnreadableFile: also after some rows.
    """
    file.seek(0)
    records = records_of(TextLines(file, "utf-8"), mapping.delimiter, is_exact=True, is_strict=True)
    next(records, None)
    for number, (line, cells) in enumerate(records, 1):
        if number > MAX_ROWS:
            raise UnreadableFile(f"has more than {MAX_ROWS} rows")
        if isinstance(cells, RowProblem):
            yield Problem(cells.line, cells.field, storable(cells.reason), storable(cells.text))
            continue
        texts = [str(cell) for cell in cells]
        try:
            yield _row(line, texts + [""] * (len(HEADER) - len(texts)), mapping.decimal_sign)
        except WrongCell as wrong:
            shown = " | ".join(text[:MAX_SHOWN_CHARS] for text in texts)[:MAX_SHOWN_CHARS]
            yield Problem(line, wrong.field, wrong.reason, storable(shown))


def _row(line: int, cells: list[str], point: str) -> NewRow:
    day, currency = _day(cells[COLUMN["date"]]), cells[COLUMN["currency"]]
    if not is_currency(currency):
        raise WrongCell("currency", "is not an active ISO 4217 currency code")
    amount = _amount(cells[COLUMN["amount"]].replace(point, "."), currency, "amount")
    payee = _text(cells, "payee", MAX_PAYEE_CHARS)
    if payee is not None and CONTROLS.search(payee):
        raise WrongCell("payee", "has characters that are not possible here")
    rate_currency, rate = _rate(cells, currency, point)
    data = RowData(
        payee=payee,
        note=_text(cells, "note", MAX_NOTE_CHARS),
        category=_text(cells, "category", MAX_PATH_CHARS),
        tags=_tags(unescape(cells[COLUMN["tags"]])),
        bank_id=cells[COLUMN["id"]][:MAX_SHOWN_CHARS] or None,
        lines=_lines(cells[COLUMN["lines"]], currency, amount),
        rate_currency=rate_currency,
        rate=rate,
    )
    return NewRow(
        line,
        day,
        amount,
        currency,
        data,
        match_key(day, amount, currency, payee),
        bank_key(data.bank_id, ACCOUNT, amount_minor=amount, currency=currency),
    )


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise WrongCell("day", "is not a day such as 2026-05-10") from None
    if not is_supported(day):
        raise WrongCell("day", f"{day} is not a supported day")
    return day


def _amount(text: str, currency: str, field: str) -> int:
    try:
        return parse_amount(text, currency)
    except AmountError as error:
        raise WrongCell(field, str(error)) from error


def _text(cells: Sequence[str], name: str, limit: int) -> str | None:
    """The text as it was, or what is wrong with it: nothing is cut."""
    text = unescape(cells[COLUMN[name]])
    return _checked(text, name, limit)


def _checked(text: str, field: str, limit: int) -> str | None:
    if len(text) > limit:
        raise WrongCell(field, f"has more than {limit} characters")
    if storable(text) != text:
        raise WrongCell(field, "has characters that are not possible here")
    return text or None


def _tags(text: str) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(split_tags(text)))
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_CHARS or CONTROLS.search(tag) for tag in tags):
        raise WrongCell("tags", f"there can be {MAX_TAGS} of {MAX_TAG_CHARS} characters")
    return tags


def _rate(cells: Sequence[str], currency: str, point: str) -> tuple[str | None, int | None]:
    into, text = cells[COLUMN["rate_currency"]], cells[COLUMN["exchange_rate"]].replace(point, ".")
    if not into and not text:
        return None, None
    if not is_currency(into) or into == currency:
        raise WrongCell("rate_currency", "is not another active ISO 4217 currency code")
    try:
        return into, parse_rate(text)
    except RateError as error:
        raise WrongCell("exchange_rate", str(error)) from error


def _lines(text: str, currency: str, amount: int) -> tuple[RowLine, ...]:
    if not text:
        return ()
    try:
        found = LINES.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise WrongCell("lines", "are not as we write them") from error
    if len(found) > MAX_LINES:
        raise WrongCell("lines", f"there can be {MAX_LINES}")
    lines = tuple(
        RowLine(
            _amount(one.amount, currency, "lines"),
            _checked(one.category or "", "lines", MAX_PATH_CHARS),
            _checked(one.note or "", "lines", MAX_NOTE_CHARS),
        )
        for one in found
    )
    if sum(one.amount_minor for one in lines) != amount:
        raise WrongCell("lines", "do not sum to the amount")
    return lines
