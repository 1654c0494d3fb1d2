"""Expenses of a group as Splitwise and spliit export them, such that everybody's balance stays the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO

from core.statements.formats import Format
from core.statements.rows import RowProblem


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


def read_shared(file: BinaryIO, *, file_format: Format, default_currency: str) -> SharedFile:
    """Open a file of one of the formats `SHARED`. The file can be sought in and stays open meanwhile.

    Raises:
        UnreadableFile
    """
    raise NotImplementedError
