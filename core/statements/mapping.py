"""How the columns of a table are to be read: found out, shown for correction, kept for the next file."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.rules.money import is_currency
from core.rules.texts import loose_key
from core.statements.formats import Format
from core.statements.limits import MAX_COLUMNS

DateOrder = Literal["ymd", "dmy", "mdy", "ydm"]
DecimalSign = Literal[".", ","]
Delimiter = Literal[",", ";", "\t", "|"]
CreditSign = Literal["positive_is_received", "negative_is_received"]
AmountSign = Literal["negative_is_spent", "positive_is_spent"]
Credits = Literal["import", "skip"]
Encoding = Literal[
    "utf-8", "utf-16-le", "utf-16-be",
    "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1257",
    "iso-8859-1", "iso-8859-2", "iso-8859-9", "iso-8859-15",
    "cp437", "cp850", "cp852", "mac-roman",
    "big5", "euc-kr", "gb18030", "shift-jis",
]  # fmt: skip
"""Names that Python knows too. A byte order mark is always passed over."""

Column = Annotated[int, Meta(ge=0, lt=MAX_COLUMNS)]
"""Counted from 0."""

Joined = Annotated[tuple[Column, ...], Meta(max_length=10)]


FINGERPRINT_CHARS = 32
"""128 bits: two banks never meet by chance."""


class Columns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which column has which role. A row needs a day and either an amount or a debit or credit."""

    day: Column | None = None
    amount: Column | None = None
    debit: Column | None = None
    """Money that went out, if it has a column of its own."""

    credit: Column | None = None
    direction: Column | None = None
    """Words such as D and C, Af and Bij, Soll and Haben for an amount without a sign."""

    fee: Column | None = None
    """What was charged on top of the amount; always money spent."""

    currency: Column | None = None
    payee: Column | None = None
    payer: Column | None = None
    """Who the money came from, if it came in, where a file has two columns for the two parties."""

    merchant: Column | None = None
    """Who was paid by card, if that has a column of its own; where it is filled it stands for the payee."""

    note: Joined = ()
    """Joined with spaces; what an earlier one says already is left out."""

    category: Column | None = None
    tags: Column | None = None
    bank_id: Column | None = None
    account: Column | None = None
    status: Column | None = None
    """Words such as "pending"; what was declined or reverted is passed over."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to read a file. CAMT only heeds `currency` and `credits`, OFX `amount_sign` and `encoding` too, and
    QIF the decimal sign and the order of dates besides.

    Raises:
        ValueError: the currency is none; msgspec makes a ValidationError of it.
    """

    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)", examples=["EUR"])]
    """Where the file says none."""

    encoding: Encoding = "utf-8"
    delimiter: Delimiter = ","
    decimal_sign: DecimalSign = "."
    date_order: DateOrder = "ymd"
    header_row: Annotated[int, Meta(ge=1)] | None = None
    """The line, or row of the sheet, counted from 1; what is before it is passed over. None: the first line
    is a row already."""

    columns: Columns = Columns()
    amount_sign: AmountSign = "negative_is_spent"
    """Of the amount; with columns for debit and credit, how debits are written."""

    credit_sign: CreditSign = "positive_is_received"
    """With a column for credit, how money that came in is written there."""

    credits: Credits = "import"
    """Whether money that came in is imported, as a negative expense, or passed over."""

    sheet: Annotated[str, Meta(max_length=100)] | None = None
    """Of an XLSX file; None is the first one."""

    texts: Literal["tidy", "exact"] = "tidy"
    """Banks pad texts with spaces, which are removed. "exact" is for what we have exported ourselves."""

    def __post_init__(self) -> None:
        if not is_currency(self.currency):
            raise ValueError("not an active ISO 4217 currency code")


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a file before reading it, from its first rows."""

    mapping: Mapping
    fingerprint: str
    """The same for the next file of the same bank: by it a corrected mapping is found again."""

    headers: tuple[str, ...] = ()
    """The names of the columns; "Column 1" and so on where the file has none. Empty if it is no table."""

    samples: tuple[tuple[str, ...], ...] = ()
    """The first rows below the header, as they stand; long cells are shortened."""

    sheets: tuple[str, ...] = ()
    """Of an XLSX file."""

    missing: tuple[str, ...] = ()
    """Roles without which nothing can be read ("day", "amount") and for which no column was found."""

    doubts: tuple[str, ...] = ()
    """Sentences for the user about what could be read in two ways, such as 03/04/2026."""

    is_date_order_certain: bool = True
    is_decimal_sign_certain: bool = True


def fingerprint(file_format: Format, headers: Iterable[str]) -> str:
    """A short hash of the format and the names of the columns, in any case and spacing."""
    text = "\n".join((file_format, *(" ".join(loose_key(header).split()) for header in headers)))
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:FINGERPRINT_CHARS]


def carry_over(kept: Mapping, proposal: Proposal) -> Mapping:
    """A mapping that was kept from an earlier file with the same fingerprint, on this file.

    What belongs to the file itself is the proposal's: encoding, delimiter, sheet, the header's line, and the
    order of dates and the decimal sign where this file shows them beyond doubt.
    """
    own = proposal.mapping
    return msgspec.structs.replace(
        kept,
        encoding=own.encoding,
        delimiter=own.delimiter,
        sheet=own.sheet,
        header_row=own.header_row,
        date_order=own.date_order if proposal.is_date_order_certain else kept.date_order,
        decimal_sign=own.decimal_sign if proposal.is_decimal_sign_certain else kept.decimal_sign,
    )
