"""QIF: lines of a letter and a value, an entry up to each "^", as Quicken, GnuCash and many banks write it.

There is no standard. Amounts and dates are written as that computer was set up, so that both are found out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from core.rules.money import MAX_AMOUNT_MINOR, format_amount
from core.statements.amounts import TOO_LARGE, MoneyError, find_decimal_sign, read_amount
from core.statements.days import DayError, OrderFound, find_order, parse_day
from core.statements.encodings import find_encoding
from core.statements.limits import MAX_CELL_CHARS
from core.statements.mapping import Encoding, Mapping, Proposal, fingerprint
from core.statements.movements import EntryError, minor_of, problem_of, row_of
from core.statements.proposals import decimal_doubt
from core.statements.rows import RowProblem, StatementRow
from core.statements.text_lines import TextLines

PROPOSED_FROM = 5_000

MAX_SPLITS = 100
"""Parts of an entry whose names are told."""

_HEADER = re.compile(r"!\s*(?:type\s*:\s*)?(\w+)", re.IGNORECASE)
_READ_TYPES = frozenset(("bank", "cash", "ccard", "oth"))
"""Lists of movements; others list categories, securities or memorised payees. "Oth A" and "Oth L" too."""

_MONTH_FIRST = frozenset(("USD", "PHP"))
_COMMA = frozenset(
    ("ARS", "BRL", "CLP", "COP", "CZK", "DKK", "EUR", "HUF", "IDR", "NOK", "PLN", "RUB", "SEK", "TRY")
)
"""Where commas are usual before decimals; only asked where the file does not show it."""


@dataclass(slots=True)
class Entry:
    line: int
    account: str | None
    parts: dict[str, str] = field(default_factory=dict)
    splits: list[dict[str, str]] = field(default_factory=list)

    def add(self, letter: str, value: str) -> None:
        if letter in "SE$%":
            self._add_split(letter, value)
        elif letter not in self.parts:
            self.parts[letter] = value

    def _add_split(self, letter: str, value: str) -> None:
        """A split begins with its category, or with whatever it has already."""
        if (not self.splits or letter == "S" or letter in self.splits[-1]) and len(self.splits) < MAX_SPLITS:
            self.splits.append({})
        if self.splits:
            self.splits[-1].setdefault(letter, value)


def propose_qif(file: BinaryIO, default_currency: str) -> Proposal:
    """As `reading.propose_mapping`, for QIF."""
    encoding = find_encoding(file, default_currency).encoding
    entries = list(islice(_entries(file, encoding), PROPOSED_FROM))
    dates = [entry.parts["D"] for entry in entries if entry.parts.get("D")]
    month_first = default_currency in _MONTH_FIRST
    order = find_order(map(_plain_date, dates), prefers_month_first=month_first)
    order = order or OrderFound("mdy" if month_first else "dmy", is_certain=not dates)
    amounts = [amount for entry in entries if (amount := entry.parts.get("T") or entry.parts.get("U"))]
    sign = find_decimal_sign(amounts, default="," if default_currency in _COMMA else ".")
    doubt = None
    if not order.is_certain:
        doubt = f'dates such as "{dates[0][:20]}" are taken to be in the order {order.order.upper()}'
    return Proposal(
        mapping=Mapping(
            currency=default_currency,
            encoding=encoding,
            date_order=order.order,
            decimal_sign=sign.decimal_sign,
        ),
        fingerprint=fingerprint("qif", ()),
        doubts=tuple(filter(None, (doubt, decimal_doubt(sign.is_certain, amounts)))),
        is_date_order_certain=order.is_certain,
        is_decimal_sign_certain=sign.is_certain,
    )


def read_qif(file: BinaryIO, mapping: Mapping) -> Iterator[StatementRow | RowProblem]:
    """As `reading.read_statement`, for QIF."""
    for entry in _entries(file, mapping.encoding):
        try:
            row: StatementRow | RowProblem | None = _row(entry, mapping)
        except EntryError as error:
            row = problem_of(entry.line, error, entry.parts)
        if row is not None:
            yield row


def _row(entry: Entry, mapping: Mapping) -> StatementRow | None:
    parts = entry.parts
    if not parts.get("D"):
        raise EntryError("day", "has no date")
    try:
        day = parse_day(_plain_date(parts["D"]), mapping.date_order)
    except DayError as error:
        raise EntryError("day", str(error)) from None
    minor, currency = _amount(entry, mapping)
    payee, memo, check = parts.get("P"), parts.get("M"), parts.get("N")
    if not payee:
        payee, memo = memo, None
    return row_of(
        mapping,
        line=entry.line,
        day=day,
        spent_minor=minor if mapping.amount_sign == "positive_is_spent" else -minor,
        currency=currency,
        payee=payee,
        notes=(memo, f"Check {check}" if check and check.strip().isdigit() else None, _told(entry, mapping)),
        category=_category(entry),
        account=entry.account,
    )


def _amount(entry: Entry, mapping: Mapping) -> tuple[int, str]:
    """The entry's own, or the sum of its splits."""
    whole = entry.parts.get("T") or entry.parts.get("U")
    texts = [whole] if whole else [split["$"] for split in entry.splits if split.get("$")]
    if not texts:
        raise EntryError("amount", "has no amount")
    total, currency = 0, mapping.currency
    for text in texts:
        minor, currency = _minor(text, mapping)
        total += minor
    if abs(total) > MAX_AMOUNT_MINOR:
        raise EntryError("amount", TOO_LARGE)
    return total, currency


def _minor(text: str, mapping: Mapping) -> tuple[int, str]:
    try:
        written = read_amount(text, mapping.decimal_sign, mapping.currency)
    except MoneyError as error:
        raise EntryError(error.field, str(error)) from None
    currency = written.currency or mapping.currency
    return minor_of(written, currency), currency


def _category(entry: Entry) -> str | None:
    """The entry's, or that of its first split. One in brackets is an account of the user's own."""
    names = [entry.parts.get("L"), *(split.get("S") for split in entry.splits)]
    for name in names:
        name = (name or "").partition("/")[0].strip()  # noqa: PLW2901 - behind the stroke is a class
        if name and not name.startswith(("[", "--")) and name != "|":
            return name
    return None


def _told(entry: Entry, mapping: Mapping) -> str | None:
    """The splits in words, as an expense here has one category."""
    if len(entry.splits) < 2:
        return None
    told = []
    for split in entry.splits:
        names = " ".join(filter(None, (split.get("S"), split.get("E"))))
        try:
            minor, currency = _minor(split.get("$", ""), mapping)
            names = f"{names} {format_amount(minor, currency)}"
        except EntryError:
            pass
        told.append(names.strip())
    return "; ".join(told)


def _plain_date(text: str) -> str:
    """Quicken pads with spaces, and puts an apostrophe before the years of this century: 1/ 2'06."""
    return text.replace(" ", "").replace("'", "/")


def _entries(file: BinaryIO, encoding: Encoding) -> Iterator[Entry]:
    lines = TextLines(file, encoding)
    is_read, is_account, account = True, False, None
    entry: Entry | None = None
    while True:
        number = lines.begin_record()
        line = next(lines, None)
        if line is None:
            break
        line = line.rstrip("\r\n")
        if header := _HEADER.match(line):
            kind = header[1].lower()
            is_account, is_read = kind == "account", kind in _READ_TYPES
            entry = None
        elif line.startswith("^"):
            if entry is not None and is_account:
                account = entry.parts.get("N")
            elif entry is not None and is_read:
                yield entry
            entry = None
        elif line.strip():
            entry = entry or Entry(number, account)
            entry.add(line[0].upper(), line[1:MAX_CELL_CHARS].strip())
    if entry is not None and is_read:
        yield entry
