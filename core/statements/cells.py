"""Rows of a table, whatever file it came from, read with a mapping."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from core.rules.money import MAX_AMOUNT_MINOR, is_currency
from core.rules.periods import is_supported
from core.statements import limits
from core.statements.amounts import TOO_LARGE, AmountReader, MoneyError, exact_amount, read_currency
from core.statements.days import DayError, parse_day
from core.statements.mapping import Columns, Mapping
from core.statements.memory import Remembered
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem, StatementRow
from core.statements.tags import exact_tags, tidy_tags
from core.statements.texts import exact_line, exact_note, joined_note, shown, tidy_line, tidy_note
from core.statements.vocabulary import CREDIT_WORDS, DEBIT_WORDS, PENDING_WORDS, VOID_WORDS, word_key

Cell = str | date | Decimal
"""Spreadsheets know dates and numbers; all else is text, and an empty text is an empty cell."""

Record = tuple[int, list[Cell]]
"""The line and the cells."""

MAX_NUMBER_DIGITS = 50
"""Of a number that is no amount, such as that of an account."""


class CellError(ValueError):
    """A cell that cannot be read; the message is meant for the user."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class RecordReader:
    """Reads the records of one table. What is the same for all rows is done once, as there may be many."""

    def __init__(self, mapping: Mapping) -> None:
        """Raises:
        UnreadableFile: the mapping lacks a column without which there is no expense.
        """
        self._columns = columns = mapping.columns
        if columns.day is None:
            raise UnreadableFile("say which column is the day", pointer="/mapping/columns/day")
        if columns.amount is None and columns.debit is None and columns.credit is None:
            raise UnreadableFile("say which column is the amount", pointer="/mapping/columns/amount")
        self._day = columns.day
        self.width = max(_used(columns)) + 1
        needed = (columns.day, columns.amount, columns.debit, columns.credit)
        self.least = min(column for column in needed if column is not None) + 1
        """A record of fewer cells has neither a day nor an amount."""
        self._default = mapping.currency
        self._sign = -1 if mapping.amount_sign == "negative_is_spent" else 1
        self._credit_sign = 1 if mapping.credit_sign == "negative_is_received" else -1
        self._skips_credits = mapping.credits == "skip"
        self._amounts = AmountReader(mapping.decimal_sign, mapping.currency)
        is_exact = mapping.texts == "exact"
        line = exact_line if is_exact else tidy_line
        self._note = exact_note if is_exact else tidy_note
        self._order = mapping.date_order
        self._days = Remembered(self._parse_day)
        self._currencies = Remembered(self._parse_currency)
        self._directions = Remembered(_direction)
        self._payees = Remembered(lambda text: line(text, limits.MAX_PAYEE_CHARS))
        self._categories = Remembered(lambda text: line(text, limits.MAX_CATEGORY_CHARS))
        self._accounts = Remembered(lambda text: line(text, limits.MAX_ACCOUNT_CHARS))
        self._tags = Remembered(exact_tags if is_exact else tidy_tags)

    def read(self, line: int, cells: list[Cell]) -> StatementRow | RowProblem | None:
        """None for a row that is blank or to be passed over. Short rows are taken to end with empty cells."""
        if len(cells) < self.width:
            cells = [*cells, *[""] * (self.width - len(cells))]
        try:
            return self._read(line, cells)
        except CellError as error:
            if self._is_blank(cells):
                return None
            return problem(line, cells, error.field, str(error))

    def _read(self, line: int, cells: list[Cell]) -> StatementRow | None:
        columns = self._columns
        is_pending = False
        if columns.status is not None and (status := cells[columns.status]):
            word = word_key(str(status))
            if word in VOID_WORDS:
                return None
            is_pending = word in PENDING_WORDS
        cell = cells[self._day]
        day = self._days[cell] if isinstance(cell, str) else self._typed_day(cell)
        minor, currency = self._read_amount(cells)
        if minor < 0 and self._skips_credits:
            return None
        payee = columns.payer if minor < 0 and columns.payer is not None else columns.payee
        if columns.merchant is not None and cells[columns.merchant]:
            payee = columns.merchant
        bank_id = None if columns.bank_id is None else text_of(cells[columns.bank_id])
        return StatementRow(
            line=line,
            day=day,
            amount_minor=minor,
            currency=currency,
            payee=None if payee is None else self._payees[text_of(cells[payee])],
            note=self._read_note(cells) if columns.note else None,
            category=None if columns.category is None else self._categories[text_of(cells[columns.category])],
            tags=() if columns.tags is None else self._tags[text_of(cells[columns.tags])],
            bank_id=tidy_line(bank_id, limits.MAX_BANK_ID_CHARS) if bank_id else None,
            account=None if columns.account is None else self._accounts[text_of(cells[columns.account])],
            is_pending=is_pending,
        )

    def _parse_day(self, text: str) -> date:
        if not text.strip():
            raise CellError("day", "has no date")
        try:
            return parse_day(text, self._order)
        except DayError as error:
            raise CellError("day", str(error)) from None

    def _typed_day(self, cell: date | Decimal) -> date:
        if isinstance(cell, Decimal):
            # A number such as 20260131.
            return self._days[text_of(cell)]
        if not is_supported(cell):
            raise CellError("day", f"{cell} is not a supported day")
        return cell

    def _read_amount(self, cells: list[Cell]) -> tuple[int, str]:
        """Minor units as an expense, and their currency."""
        columns = self._columns
        given = None if columns.currency is None else self._currencies[text_of(cells[columns.currency])]
        if columns.amount is not None:
            minor, currency = self._minor(cells[columns.amount], "amount", given)
            if columns.direction is None:
                minor *= self._sign
            else:
                minor *= self._directions[text_of(cells[columns.direction])]
        else:
            minor, currency = self._read_debit_and_credit(cells, given)
        if columns.fee is not None and (fee := cells[columns.fee]):
            minor += abs(self._minor(fee, "fee", currency)[0])
        # Each part is within it, the sum need not be.
        if abs(minor) > MAX_AMOUNT_MINOR:
            raise CellError("amount", TOO_LARGE)
        return minor, currency

    def _read_debit_and_credit(self, cells: list[Cell], given: str | None) -> tuple[int, str]:
        total, currency = 0, None
        for field, column, sign in (
            ("debit", self._columns.debit, self._sign),
            ("credit", self._columns.credit, self._credit_sign),
        ):
            cell = "" if column is None else cells[column]
            if isinstance(cell, str) and not cell.strip():
                continue
            minor, found = self._minor(cell, field, given)
            total += sign * minor
            # Who leaves nothing empty writes "0.00" there.
            if currency is None or minor:
                currency = found
        if currency is None:
            raise CellError("amount", "has no amount")
        return total, currency

    def _minor(self, cell: Cell, field: str, currency: str | None) -> tuple[int, str]:
        try:
            if isinstance(cell, str):
                return self._amounts.read(cell, currency)
            if isinstance(cell, Decimal):
                code = currency or self._default
                return exact_amount(cell).minor(code), code
        except MoneyError as error:
            if isinstance(cell, str) and not cell.strip():
                raise CellError(field, "has no amount") from None
            raise CellError(error.field if error.field == "currency" else field, str(error)) from None
        raise CellError(field, "is a date instead of an amount")

    def _parse_currency(self, text: str) -> str | None:
        if is_currency(text):
            return text
        if not text.strip():
            return None
        try:
            return read_currency(text, self._default)
        except MoneyError as error:
            raise CellError("currency", str(error)) from None

    def _read_note(self, cells: list[Cell]) -> str | None:
        columns = self._columns.note
        if len(columns) == 1:
            return self._note(text_of(cells[columns[0]]), limits.MAX_NOTE_CHARS)
        texts = (self._note(text_of(cells[column]), limits.MAX_NOTE_CHARS) for column in columns)
        return joined_note(texts, limits.MAX_NOTE_CHARS)

    def _is_blank(self, cells: Sequence[Cell]) -> bool:
        """Whether neither a day nor an amount is there: a blank line, or a remark below the table."""
        columns = self._columns
        used = (self._day, columns.amount, columns.debit, columns.credit)
        return not any(str(cells[column]).strip() for column in used if column is not None)


def problem(line: int, cells: Sequence[Cell], field: str | None, reason: str) -> RowProblem:
    # Each cell is cut before they are joined, as any of them may be megabytes.
    text = " | ".join(text_of(cell)[: limits.MAX_SHOWN_CHARS] for cell in cells[: limits.MAX_COLUMNS])
    return RowProblem(line=line, field=field, reason=reason, text=shown(text))


def text_of(cell: Cell) -> str:
    """The cell as a text; numbers without an exponent, as those of accounts and cheques are no quantities."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Decimal) and cell.is_finite() and abs(cell.adjusted()) < MAX_NUMBER_DIGITS:
        text = f"{cell:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(cell)


def _direction(text: str) -> int:
    """1 if the words say that money went out, -1 if it came in."""
    word = word_key(text)
    if word in DEBIT_WORDS:
        return 1
    if word in CREDIT_WORDS:
        return -1
    raise CellError("direction", f'"{shown(text)}" does not say whether money went out or came in')


def _used(columns: Columns) -> Iterator[int]:
    for name in columns.__struct_fields__:
        value = getattr(columns, name)
        yield from value if isinstance(value, tuple) else () if value is None else (value,)
