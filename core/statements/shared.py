"""Expenses of a group as Splitwise and spliit export them, such that everybody's balance stays the same."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from core.statements.formats import Format
from core.statements.limits import MAX_ROWS
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem
from core.statements.shared_entries import SharedEntry, SharedFile
from core.statements.spliit import open_spliit_csv, open_spliit_json
from core.statements.splitwise import open_splitwise

_OPENERS: dict[Format, Callable[[BinaryIO, str], SharedFile]] = {
    "splitwise": open_splitwise,
    "spliit_csv": open_spliit_csv,
    "spliit_json": open_spliit_json,
}


def read_shared(file: BinaryIO, *, file_format: Format, default_currency: str) -> SharedFile:
    """Open a file of one of the formats `SHARED`. The file can be sought in and stays open meanwhile.

    Raises:
        UnreadableFile
    """
    opened = _OPENERS[file_format](file, default_currency)
    return SharedFile(opened.people, opened.currency, _bounded(opened.entries))


def _bounded(entries: Iterator[SharedEntry | RowProblem]) -> Iterator[SharedEntry | RowProblem]:
    for number, entry in enumerate(entries, start=1):
        if number > MAX_ROWS:
            raise UnreadableFile(f"has more than {MAX_ROWS} rows")
        yield entry
