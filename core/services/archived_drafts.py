"""What becomes of records of an archive, before any of them is stored."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from core.archive.reading import BadEntry, Entry
from core.archive.records import Record
from core.errors import InvalidInput

Item = TypeVar("Item", bound=Record)
New = TypeVar("New")


@dataclass(slots=True)
class Drafts(Generic[New]):
    """What is `new` and to be stored; how many were `known`, as they are there already; what is wrong."""

    new: list[New] = field(default_factory=list)
    known: int = 0
    problems: list[BadEntry] = field(default_factory=list)


def draft_each(
    items: Iterable[tuple[Entry, Item]], draft: Callable[[Item], New | None], into: Drafts[New] | None = None
) -> Drafts[New]:
    """Draft item by item; None is one that is there already, and an InvalidInput stops no other."""
    drafts = Drafts[New]() if into is None else into
    for entry, item in items:
        try:
            drafted = draft(item)
        except InvalidInput as error:
            drafts.problems.append(BadEntry.of(entry, error))
            continue
        if drafted is None:
            drafts.known += 1
        else:
            drafts.new.append(drafted)
    return drafts


def items_of(entries: Iterable[Entry], kind: type[Item]) -> list[tuple[Entry, Item]]:
    """The entries with their records, as far as these are of the kind."""
    return [(entry, entry.record) for entry in entries if isinstance(entry.record, kind)]
