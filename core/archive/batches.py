"""Cuts an archive into batches that fit into memory and into a transaction."""

from collections.abc import Iterator
from itertools import groupby

from core.archive.reading import AnyEntry, BadEntry
from core.archive.records import ExpenseItem, FilePart, Record
from core.archive.sections import MAX_ENTRIES

MAX_WEIGHT = 2_000
"""Of a batch: so many expenses, or half as many with a line. A transaction of some tenths of a second, and at
most ten megabytes of the longest notes."""

PART_WEIGHT = 200
"""Of a part of a file, with its hundred kilobytes."""

Batch = tuple[str, list[AnyEntry]]
"""Entries of one list, by its name."""


def batches(entries: Iterator[AnyEntry]) -> Iterator[Batch]:
    """The entries in their order; lists of which there is a limit come as a whole."""
    for section, run in groupby(entries, key=lambda entry: entry.section):
        if section in MAX_ENTRIES:
            yield section, list(run)
            continue
        batch, weight = list[AnyEntry](), 0
        for entry in run:
            batch.append(entry)
            weight += 1 if isinstance(entry, BadEntry) else _weight(entry.record)
            if weight >= MAX_WEIGHT:
                yield section, batch
                batch, weight = [], 0
        if batch:
            yield section, batch


def _weight(record: Record | None) -> int:
    if isinstance(record, ExpenseItem):
        return 1 + len(record.lines)
    return PART_WEIGHT if isinstance(record, FilePart) else 1
