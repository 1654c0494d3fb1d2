"""What the columns of a table are, found out from their names and from what stands in them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import get_args

from core.statements.amounts import MoneyError, read_amount, read_currency
from core.statements.cells import Cell, Record
from core.statements.days import DayError, parse_day
from core.statements.mapping import Columns, DateOrder
from core.statements.vocabulary import (
    CREDIT_WORDS,
    DEBIT_WORDS,
    ROLES_BY_NAME,
    Role,
    header_currency,
    header_key,
    word_key,
)

BORNE_OUT = 0.3
"""Part of a column's cells that must be of the kind that its name says: the rest are remarks or wrong."""

ENOUGH = 0.8
"""Part of them where no name says so."""

LOOKED_AT = 500
"""Cells of a column, to see of which kind it is."""

MAX_JOINED_NOTES = 10

_VAGUE_DIRECTIONS = ("type", "transaction type", "details", "sign")
"""Names that columns of other words have more often."""

_TYPES = ("buchungstext", "vorgang", "details")
"""Names of columns that say how was paid: they are a note only where there is no better one."""


@dataclass(frozen=True)
class Column:
    """One column with the cells that are not empty, of the first rows."""

    index: int
    name: str
    cells: Sequence[Cell]
    filled: float
    """Part of the rows in which it is not empty."""

    @cached_property
    def key(self) -> str:
        return header_key(self.name)

    @property
    def texts(self) -> list[str]:
        return [cell for cell in self.cells if isinstance(cell, str)]

    @cached_property
    def days(self) -> float:
        """Part of the cells that are dates; 1 if there is no cell to say otherwise. So with those below."""
        return self._part(_is_day)

    @cached_property
    def amounts(self) -> float:
        return self._part(_is_amount)

    @cached_property
    def currencies(self) -> float:
        return self._part(_is_currency)

    @cached_property
    def directions(self) -> float:
        return self._part(lambda cell: word_key(str(cell)) in DEBIT_WORDS | CREDIT_WORDS)

    @cached_property
    def has_negatives(self) -> bool:
        return any(map(is_negative, self.cells))

    @cached_property
    def is_unique(self) -> bool:
        return bool(self.cells) and self.filled > ENOUGH and len(set(self.cells)) == len(self.cells)

    @cached_property
    def is_repeated(self) -> bool:
        """As one's own accounts are, and those of others are not, which often go by the same name."""
        return self.filled > ENOUGH and len(set(self.cells)) <= max(1, len(self.cells) // 4)

    def _part(self, is_kind: Callable[[Cell], bool]) -> float:
        looked_at = self.cells[:LOOKED_AT]
        return sum(map(is_kind, looked_at)) / len(looked_at) if looked_at else 1.0


@dataclass
class Roles:
    """Finds the column of each role; one that has a role is free for no other."""

    columns: Sequence[Column]
    taken: set[int] = field(default_factory=set)

    def find(self, role: Role, is_fit: Callable[[Column], bool] = lambda _: True) -> Column | None:
        """The free column whose name says it best, if it is not empty; of equals the first one."""
        ranked = [
            (not column.cells, rank, column.index, column)
            for column in self.columns
            if column.index not in self.taken
            for name_role, rank in ROLES_BY_NAME.get(_without_number(column.key), ())
            if name_role == role and is_fit(column)
        ]
        return self.take(min(ranked)[3]) if ranked else None

    def take(self, column: Column) -> Column:
        self.taken.add(column.index)
        return column

    def free(self) -> list[Column]:
        return [column for column in self.columns if column.index not in self.taken]


def find_header(records: Sequence[Record]) -> int | None:
    """Which of the first records names the columns: the first one with the most names that are known.

    In a language that is not, it is the last line of texts before a day and an amount. None if there is none.
    """
    best, best_score = None, 1
    for index, (_, cells) in enumerate(records):
        roles = [{role for role, _ in ROLES_BY_NAME.get(header_key(str(cell)), ())} for cell in cells]
        known = set().union(*roles) if roles else set()
        score = sum(map(bool, roles))
        if score > best_score and known & {"day", "amount", "debit", "credit"}:
            best, best_score = index, score
    if best is not None:
        return best
    for index, (_, cells) in enumerate(records):
        if has_movement(cells):
            above = records[index - 1][1] if index else []
            return index - 1 if len(above) == len(cells) and _are_names(above) else None
    return None


def has_movement(cells: Sequence[Cell]) -> bool:
    """Whether there is a day and an amount among them."""
    return any(map(_is_day, cells)) and any(_is_amount(cell) and not _is_day(cell) for cell in cells)


def columns_of(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[Column]:
    """The columns of a table; names are "" where it has none."""
    width = max([len(names), *map(len, rows)])
    columns = []
    for index in range(width):
        cells = [row[index] for row in rows if index < len(row) and str(row[index]).strip()]
        name = names[index] if index < len(names) else ""
        columns.append(Column(index, name, cells, len(cells) / max(len(rows), 1)))
    return columns


def find_columns(columns: Sequence[Column]) -> Columns:
    """What each column is. Names are believed only where the cells bear them out."""
    roles = Roles(columns)
    for column in columns:
        if any(role == "ignored" for role, _ in ROLES_BY_NAME.get(column.key, ())):
            roles.take(column)
    day = roles.find("day", lambda column: column.days >= BORNE_OUT)
    amount, debit, credit, direction = _money(roles)
    day = day or _first(roles, lambda column: bool(column.cells) and column.days >= ENOUGH)
    if amount is debit is credit is None:
        amount = _first(roles, lambda column: _is_movement(column) and column.has_negatives)
        # A balance, which comes first in some tables, is seldom negative.
        amount = amount or _first(roles, _is_movement)
    has_fee = amount is not None and amount.key != "net"
    fee = roles.find("fee", lambda column: column.amounts >= BORNE_OUT) if has_fee else None
    currency = roles.find("currency", lambda column: column.currencies >= BORNE_OUT)
    category, tags = roles.find("category"), roles.find("tags")
    account = roles.find("account", lambda column: column.is_repeated)
    status = roles.find("status")
    bank_id = roles.find("bank_id", lambda column: column.is_unique)
    payee, payer, merchant, notes = _parties(roles)
    return Columns(
        day=_index(day),
        amount=_index(amount),
        debit=_index(debit),
        credit=_index(credit),
        direction=_index(direction),
        fee=_index(fee),
        currency=_index(currency),
        payee=_index(payee),
        payer=_index(payer),
        merchant=_index(merchant),
        note=tuple(sorted(note.index for note in notes)),
        category=_index(category),
        tags=_index(tags),
        bank_id=_index(bank_id),
        account=_index(account),
        status=_index(status),
    )


_AMOUNTS: tuple[Role, ...] = ("amount", "debit", "credit")


def _money(roles: Roles) -> tuple[Column | None, Column | None, Column | None, Column | None]:
    """The columns of amount, debit, credit and direction: either a pair or an amount, not both."""
    amount, debit, credit = (
        roles.find(role, lambda column: column.amounts >= BORNE_OUT) for role in _AMOUNTS
    )
    direction = roles.find("direction", _is_direction)
    if amount and amount.has_negatives:
        return amount, None, None, None
    if (debit or credit) and (not amount or not amount.cells or (debit and credit and not direction)):
        return None, debit, credit, None
    return amount, None, None, direction if amount else None


def currency_of(columns: Columns, names: Sequence[str]) -> str | None:
    """The one that stands behind the name of the amount's column."""
    for index in (columns.amount, columns.debit, columns.credit):
        if index is not None and index < len(names) and (code := header_currency(names[index])):
            return code
    return None


def _parties(roles: Roles) -> tuple[Column | None, Column | None, Column | None, list[Column]]:
    """Who was paid, who has paid, who was paid by card, and what for.

    With one text alone it is who was paid, as statements of cards have it.
    """
    payee, payer, merchant = roles.find("payee"), roles.find("payer"), roles.find("merchant")
    if payee is None:
        payee, payer = payer, None
    if payee is None:
        payee, merchant = merchant, None
    notes: list[Column] = []
    while len(notes) < MAX_JOINED_NOTES and (note := roles.find("note")):
        if not (note.cells and note.directions >= ENOUGH and note.key in _TYPES):
            notes.append(note)
    better = [note for note in notes if note.key not in _TYPES]
    notes = better or (notes[:1] if payee is None else [])
    if payee is None and notes:
        payee = notes.pop(0)
    if payee is None:
        texts = [
            column
            for column in roles.free()
            if column.texts and column.amounts < BORNE_OUT and column.days < BORNE_OUT
        ]
        payee = max(texts, key=lambda column: len(set(column.texts)), default=None)
    return payee, payer, merchant, notes


def _index(column: Column | None) -> int | None:
    return None if column is None else column.index


def _first(roles: Roles, is_fit: Callable[[Column], bool]) -> Column | None:
    column = next(filter(is_fit, roles.free()), None)
    return None if column is None else roles.take(column)


def _without_number(key: str) -> str:
    """ "omschrijving 2" and "omschrijving2" are other "omschrijving"."""
    return key.rstrip("0123456789").rstrip() or key


def _is_direction(column: Column) -> bool:
    least = ENOUGH if column.key in _VAGUE_DIRECTIONS else BORNE_OUT
    return bool(column.cells) and column.directions >= least


def _is_movement(column: Column) -> bool:
    return bool(column.cells) and column.amounts >= ENOUGH and column.days < BORNE_OUT


def is_negative(cell: Cell) -> bool:
    if isinstance(cell, Decimal):
        return cell < 0
    text = str(cell).strip()
    return text.startswith(("-", "\u2212", "(")) or text.endswith(("-", ")")) or "-" in text[:4]


def _is_day(cell: Cell) -> bool:
    if not isinstance(cell, str):
        return isinstance(cell, date)
    for order in get_args(DateOrder):
        try:
            parse_day(cell, order)
        except DayError:
            continue
        return True
    return False


def _is_amount(cell: Cell) -> bool:
    if not isinstance(cell, str):
        return isinstance(cell, Decimal)
    return any(_reads(cell, sign) for sign in (".", ","))


def _reads(text: str, sign: str) -> bool:
    try:
        read_amount(text, "." if sign == "." else ",", "SEK")
    except MoneyError:
        return False
    return True


def _is_currency(cell: Cell) -> bool:
    try:
        read_currency(str(cell), "SEK")
    except MoneyError:
        return False
    return True


def _are_names(cells: Sequence[Cell]) -> bool:
    """Whether all are names, or most and the others are empty: not each column of a bank has one."""
    filled = [cell for cell in cells if str(cell).strip()]
    return len(filled) * 2 > len(cells) and all(map(_is_name, filled))


def _is_name(cell: Cell) -> bool:
    return isinstance(cell, str) and bool(cell.strip()) and not _is_day(cell) and not _is_amount(cell)


def texts_of(rows: Iterable[Sequence[Cell]], *indices: int | None) -> list[str]:
    """The cells of these columns that are texts and not empty."""
    return [
        cell
        for row in rows
        for index in indices
        if index is not None and index < len(row)
        if isinstance(cell := row[index], str) and cell.strip()
    ]
