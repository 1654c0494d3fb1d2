"""What the formats have in common that are no tables: from the parts of an entry to a row."""

from collections.abc import Mapping as Dictionary
from datetime import date

from core.statements import limits
from core.statements.amounts import MoneyError, Written, read_amount
from core.statements.mapping import DecimalSign, Mapping
from core.statements.rows import RowProblem, StatementRow
from core.statements.texts import joined_note, shown, tidy_line, tidy_note


class EntryError(ValueError):
    """An entry that cannot be read: `field` says what of it; the message is meant for the user."""

    def __init__(self, field: str | None, detail: str) -> None:
        super().__init__(detail)
        self.field = field


def free_amount(text: str, default_currency: str) -> Written:
    """An amount from a format that knows no grouping, with a point or a comma before the decimals.

    Where both are there all the same, or one of them several times, what comes last or only once is it.

    Raises:
        EntryError
    """
    if not text.strip():
        raise EntryError("amount", "has no amount")
    sign: DecimalSign = "," if text.rfind(",") > text.rfind(".") else "."
    if text.count(sign) > 1:
        sign = "." if sign == "," else ","
    try:
        return read_amount(text, sign, default_currency)
    except MoneyError as error:
        raise EntryError(error.field, str(error)) from None


def minor_of(amount: Written, currency: str) -> int:
    """Raises:
    EntryError
    """
    try:
        return amount.minor(currency)
    except MoneyError as error:
        raise EntryError("amount", str(error)) from None


def row_of(
    mapping: Mapping,
    *,
    line: int,
    day: date,
    spent_minor: int,
    currency: str,
    payee: str | None,
    notes: tuple[str | None, ...],
    category: str | None = None,
    bank_id: str | None = None,
    account: str | None = None,
    is_pending: bool = False,
) -> StatementRow | None:
    """The row with its texts tidied; None if it is money that came in and that is to be passed over."""
    if spent_minor < 0 and mapping.credits == "skip":
        return None
    note = joined_note(
        (tidy_note(text, limits.MAX_NOTE_CHARS) if text else None for text in notes), limits.MAX_NOTE_CHARS
    )
    return StatementRow(
        line=line,
        day=day,
        amount_minor=spent_minor,
        currency=currency,
        payee=_line(payee, limits.MAX_PAYEE_CHARS),
        note=note,
        category=_line(category, limits.MAX_CATEGORY_CHARS),
        bank_id=_line(bank_id, limits.MAX_BANK_ID_CHARS),
        account=_line(account, limits.MAX_ACCOUNT_CHARS),
        is_pending=is_pending,
    )


def problem_of(line: int, error: EntryError, parts: Dictionary[str, str]) -> RowProblem:
    text = " ".join(f"{name}={value[: limits.MAX_SHOWN_CHARS]}" for name, value in parts.items())
    return RowProblem(line=line, field=error.field, reason=str(error), text=shown(text))


def _line(text: str | None, limit: int) -> str | None:
    return tidy_line(text, limit) if text else None
