"""What a file of statements is read into: rows to import, and rows that cannot be."""

from datetime import date

import msgspec


class StatementRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A movement of money, in a form that can be recorded as it is.

    Texts have no control characters (only `note` may have line breaks), are cut to what is stored, and are
    None rather than empty. The amount is within what an entry may have and has the currency's decimals; the
    day is a supported one.
    """

    line: int
    """Its first line in a CSV or QIF file, its row in a sheet, else its number among the entries; from 1."""

    day: date
    amount_minor: int
    """Positive is money spent, negative money that came in, such as a refund."""

    currency: str
    """The row's own; where the file says none, the mapping's."""

    payee: str | None = None
    note: str | None = None
    category: str | None = None
    """The name that the file has for it."""

    tags: tuple[str, ...] = ()
    bank_id: str | None = None
    """By which the bank knows it: for an account in the file, only rows of the same day, amount, currency and
    payee have the same one."""

    account: str | None = None
    """An IBAN or a number, where the file says whose statement this is."""

    is_pending: bool = False
    """Not yet booked: the bank will give it again, often with another `bank_id`."""


class RowProblem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row that is left out."""

    line: int
    """As in `StatementRow`."""

    field: str | None = None
    """What is wrong in it, in the words of `StatementRow` or `Columns`; None if it is all of it."""

    reason: str
    """A sentence for the user, without full stop."""

    text: str = ""
    """The raw content, shortened."""
