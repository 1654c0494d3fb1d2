"""Splitwise's CSV: a row for each expense, and in a column for each person what they paid minus their share.

The balances are therefore exact, while who paid what, and what each one's share was, follow only where one
person has paid. Where several have, each is taken to have had the same part of what they kept for themselves:
that is how it was if the expense was split equally, and the balances are the same in any case.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO

from core.rules.money import format_amount
from core.statements.amounts import MoneyError, read_currency
from core.statements.cells import Cell, problem, text_of
from core.statements.csv_files import head_of, records_of
from core.statements.encodings import find_encoding
from core.statements.formats import is_splitwise_header
from core.statements.limits import MAX_PREAMBLE_LINES
from core.statements.movements import EntryError, free_amount, minor_of
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem
from core.statements.shared_entries import SharedEntry, SharedFile, day_of, divided, entry_of, people_of
from core.statements.text_lines import TextLines
from core.statements.vocabulary import header_key, word_key

DAY, DESCRIPTION, CATEGORY, COST, CURRENCY, FIRST_PERSON = range(6)

_REPAYMENTS = frozenset(("payment", "zahlung", "pago", "paiement", "pagamento", "betaling"))


def open_splitwise(file: BinaryIO, default_currency: str) -> SharedFile:
    """As `shared.read_shared`, for Splitwise."""
    encoding = find_encoding(file, default_currency).encoding
    for line, cells in head_of(file, encoding, ",", MAX_PREAMBLE_LINES):
        if is_splitwise_header([header_key(text_of(cell)) for cell in cells]):
            names = [text_of(cell) for cell in cells[FIRST_PERSON:]]
            while names and not names[-1].strip():
                names.pop()
            people = people_of(names)
            lines = TextLines(file, encoding)
            return SharedFile(people, None, _entries(lines, line, people, default_currency))
    raise UnreadableFile("has no line that names the columns of Splitwise")


def _entries(
    lines: TextLines, header: int, people: Sequence[str], default_currency: str
) -> Iterator[SharedEntry | RowProblem]:
    for _ in islice(lines, header):
        lines.begin_record()
    sums: Counter[tuple[str, int]] = Counter()
    for line, cells in records_of(lines, ","):
        if isinstance(cells, RowProblem):
            yield cells
            continue
        if not any(text_of(cell).strip() for cell in cells):
            continue
        try:
            entry = _entry(line, cells, people, default_currency, sums)
        except EntryError as error:
            yield problem(line, cells, error.field, str(error))
        else:
            if entry is not None:
                yield entry


def _entry(
    line: int,
    cells: Sequence[Cell],
    people: Sequence[str],
    default_currency: str,
    sums: Counter[tuple[str, int]],
) -> SharedEntry | None:
    """The entry of a row; None for the balances at the end, if they are those of the rows so far."""
    row = [text_of(cell) for cell in cells]
    row += [""] * (FIRST_PERSON + len(people) - len(row))
    currency = _currency(row[CURRENCY], default_currency)
    nets = [_minor(text, currency) for text in row[FIRST_PERSON : FIRST_PERSON + len(people)]]
    if not row[COST].strip():
        for person, name in enumerate(people):
            _check_balance(name, nets[person], sums[currency, person], currency)
        return None
    cost = _minor(row[COST], currency)
    if total := sum(nets):
        raise EntryError(
            None, f"the columns of the people sum to {format_amount(total, currency)} instead of zero"
        )
    paid, shares = _paid_and_shares(cost, nets, currency)
    entry = entry_of(
        line=line,
        day=day_of(row[DAY]),
        description=row[DESCRIPTION],
        category=row[CATEGORY],
        currency=currency,
        amount_minor=cost,
        paid=paid,
        shares=shares,
        is_repayment=word_key(row[CATEGORY]) in _REPAYMENTS,
    )
    sums.update({(currency, person): net for person, net in enumerate(nets)})
    return entry


def _paid_and_shares(cost: int, nets: Sequence[int], currency: str) -> tuple[dict[int, int], dict[int, int]]:
    """Who paid how much and whose share is how much, such that paid minus share is each one's net."""
    sign = -1 if cost < 0 else 1
    payers = [person for person, net in enumerate(nets) if net * sign > 0]
    if not payers:
        raise EntryError(None, "changes nobody's balance")
    kept = abs(cost) - sum(nets[person] * sign for person in payers)
    if kept < 0:
        excess = format_amount(-kept, currency)
        raise EntryError(None, f"more is owed than was paid, by {excess} {currency}")
    own = divided(kept, dict.fromkeys(payers, 1), rotation=0) if kept else dict.fromkeys(payers, 0)
    paid = {person: sign * own[person] + nets[person] for person in payers}
    shares = {
        person: sign * own[person] if person in own else -net
        for person, net in enumerate(nets)
        if person in own or net
    }
    return paid, shares


def _check_balance(name: str, said: int, found: int, currency: str) -> None:
    if said != found:
        by_rows, by_file = (f"{format_amount(minor, currency)} {currency}" for minor in (found, said))
        raise EntryError(None, f"the balance of {name} is {by_rows} by the rows, but {by_file} by the file")


def _currency(text: str, default: str) -> str:
    if not text.strip():
        return default
    try:
        return read_currency(text, default)
    except MoneyError as error:
        raise EntryError("currency", str(error)) from None


def _minor(text: str, currency: str) -> int:
    return minor_of(free_amount(text, currency), currency) if text.strip() else 0
