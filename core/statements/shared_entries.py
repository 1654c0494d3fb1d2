"""What a file of shared expenses is read into."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from core.rules.apportionment import FairParts, apportion_parts
from core.statements import limits
from core.statements.days import DayError, parse_day
from core.statements.movements import EntryError
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem
from core.statements.texts import tidy_line, tidy_note

MAX_NAME_CHARS = 100
NO_DESCRIPTION = "Expense"
"""A group's expense has a description; some files leave it empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedEntry:
    """An expense or a repayment. People are indices into `SharedFile.people`.

    What was paid and what the shares are both sum to the amount; who has nothing in one is not in it. Texts
    are as in `StatementRow`.
    """

    line: int
    day: date
    description: str
    category: str | None
    currency: str
    amount_minor: int
    """Never zero; negative is a refund."""

    paid: Mapping[int, int]
    shares: Mapping[int, int]
    is_settlement: bool
    """A repayment: the one who has paid it has given it to the one whose share it is."""

    note: str | None = None


@dataclass(frozen=True, slots=True)
class SharedFile:
    people: tuple[str, ...]
    """Their names in the file, never empty and no two the same."""

    currency: str | None
    """The group's own; None if the file only says that of each entry."""

    entries: Iterator[SharedEntry | RowProblem]
    """In the file's order, each read when it is asked for. Raises UnreadableFile as `read_statement` does."""


def entry_of(
    *,
    line: int,
    day: date,
    description: str,
    category: str | None,
    currency: str,
    amount_minor: int,
    paid: Mapping[int, int],
    shares: Mapping[int, int],
    is_repayment: bool,
    note: str | None = None,
) -> SharedEntry:
    """The entry with its texts tidied. A repayment among more than two people is kept as an expense, which
    does the same to their balances.

    Raises:
        EntryError: the amount is zero.
    """
    if not amount_minor:
        raise EntryError("amount", "has no amount")
    paid = {person: minor for person, minor in paid.items() if minor}
    shares = {person: minor for person, minor in shares.items() if minor}
    is_between_two = len(paid) == len(shares) == 1 and paid.keys() != shares.keys() and amount_minor > 0
    return SharedEntry(
        line=line,
        day=day,
        description=tidy_line(description, limits.MAX_PAYEE_CHARS) or NO_DESCRIPTION,
        category=tidy_line(category, limits.MAX_CATEGORY_CHARS) if category else None,
        currency=currency,
        amount_minor=amount_minor,
        paid=paid,
        shares=shares,
        is_settlement=is_repayment and is_between_two,
        note=tidy_note(note, limits.MAX_NOTE_CHARS) if note else None,
    )


def people_of(names: Sequence[str]) -> tuple[str, ...]:
    """Names that tell people apart: who has none, or the same as another, gets a number.

    Raises:
        UnreadableFile: nobody, or too many.
    """
    if not names:
        raise UnreadableFile("names nobody who shares the expenses")
    if len(names) > limits.MAX_PEOPLE:
        raise UnreadableFile(f"names more than {limits.MAX_PEOPLE} people")
    people: dict[str, None] = {}
    for number, given in enumerate(names, start=1):
        name = plain = tidy_line(given, MAX_NAME_CHARS - 10) or f"Person {number}"
        while name in people:
            name = f"{plain} ({number})"
            plain = name if name in people else plain
        people[name] = None
    return tuple(people)


def divided(whole: int, weights: Mapping[int, int], *, rotation: int) -> dict[int, int]:
    """The whole in proportion to weights whose sum is not zero; odd units as `apportionment` has it."""
    fair = FairParts.in_proportion(whole, {UUID(int=person): weight for person, weight in weights.items()})
    return {member.int: part for member, part in apportion_parts(fair, rotation=rotation).items()}


def day_of(text: str) -> date:
    """Of an ISO date, or a date that can be read in one way.

    Raises:
        EntryError
    """
    if not text.strip():
        raise EntryError("day", "has no date")
    try:
        return parse_day(text, "ymd")
    except DayError as error:
        raise EntryError("day", str(error)) from None
