"""Reads an archive record by record: what is wrong with one is said of it, and the others go on."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, BinaryIO

import msgspec

from core.archive.fields import Instant, is_plausible
from core.archive.parsing import RawValue, raw_values, shown
from core.archive.records import Profile, Record
from core.archive.sections import FORMAT, IMPORTED, MAX_ENTRIES, SECTIONS, VERSION
from core.errors import FieldError, InvalidInput
from core.field_errors import field_error
from core.statements.refusals import UnreadableFile

LISTS = {name: name in IMPORTED for name in SECTIONS}
PLACES = {name: place for place, name in enumerate(IMPORTED)}
KINDS: tuple[type[Record], ...] = (Profile, *IMPORTED.values())
INSTANTS = {kind: tuple(name for name in kind.__struct_fields__ if name.endswith("_at")) for kind in KINDS}

NO_ARCHIVE = f'no archive, which begins with "format": "{FORMAT}"'
IMPLAUSIBLE = "is not an instant at which it can have happened"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, or None in the lists that are for reading only. `position` counts in its list from 0."""

    section: str
    position: int
    record: Record | None


@dataclass(frozen=True, slots=True)
class BadEntry:
    """A record that cannot be taken; the error's pointer leads there from the top of the file."""

    section: str
    position: int
    error: FieldError

    @classmethod
    def of(cls, entry: Entry, error: InvalidInput) -> "BadEntry":
        """What is wrong with a record; the error's pointer leads there from its top."""
        wrong = error.below(f"/{entry.section}/{entry.position}").fields[0]
        return cls(entry.section, entry.position, wrong)


AnyEntry = Entry | BadEntry


@dataclass(frozen=True, slots=True)
class Archive:
    """Whose it is, and what is in it, each entry read when it is asked for.

    That raises UnreadableFile where the file turns out to be damaged.
    """

    user: Profile
    entries: Iterator[AnyEntry] = field(repr=False)


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    """What comes before the lists."""

    format: str
    version: int
    exported_at: Instant
    user: Profile


HEAD = frozenset(_Head.__struct_fields__)


def read_archive(file: BinaryIO) -> Archive:
    """Begin to read an archive; the file stays open for the entries.

    Raises:
        UnreadableFile: it is none, or of a version that is not known here.
    """
    values = raw_values(file, lists=LISTS)
    head: dict[str, Any] = {}
    for value in values:
        if value.position is not None:
            values = chain([value], values)
            break
        if head and value.name not in HEAD:
            raise _refusal(value)
        head[value.name] = value.value
        _check_version(head)
    if not head:
        raise UnreadableFile(NO_ARCHIVE)
    return Archive(_read_head(head), _entries(values))


def _check_version(head: Mapping[str, Any]) -> None:
    """As soon as it is known, as another version may look otherwise from there on."""
    if next(iter(head)) != "format" or head["format"] != FORMAT:
        raise UnreadableFile(NO_ARCHIVE)
    version = head.get("version", VERSION)
    if type(version) is not int or version != VERSION:
        raise UnreadableFile(f"of version {shown(str(version))}, and only {VERSION} is known here")


def _read_head(head: Mapping[str, Any]) -> Profile:
    try:
        user = msgspec.convert(dict(head), _Head).user
    except msgspec.ValidationError as error:
        wrong = field_error(str(error))
        raise UnreadableFile(shown(f"{wrong.pointer}: {wrong.detail}")) from error
    if wrong_instants := _wrong_instants(user):
        raise UnreadableFile(f"/user/{wrong_instants[0]}: {IMPLAUSIBLE}")
    return user


def _entries(values: Iterator[RawValue]) -> Iterator[AnyEntry]:
    place, seen = 0, set[str]()
    for value in values:
        if value.position is None or (value.position == 0 and value.name in seen):
            raise _refusal(value)
        seen.add(value.name)
        kind = IMPORTED.get(value.name)
        if kind is None:
            yield Entry(value.name, value.position or 0, None)
            continue
        if PLACES[value.name] < place:
            raise UnreadableFile(
                f"{value.pointer}: the lists have to stand in the order {', '.join(IMPORTED)}"
            )
        place = PLACES[value.name]
        if (value.position or 0) >= MAX_ENTRIES.get(value.name, sys.maxsize):
            raise UnreadableFile(f"/{value.name}: may have {MAX_ENTRIES[value.name]} records")
        yield _entry(value, kind)


def _entry(value: RawValue, kind: type[Record]) -> AnyEntry:
    position = value.position or 0
    try:
        record = msgspec.convert(value.value, kind)
    except msgspec.ValidationError as error:
        wrong = field_error(str(error))
        pointer = shown(value.pointer + wrong.pointer)
        return BadEntry(value.name, position, FieldError(pointer, shown(wrong.detail)))
    if names := _wrong_instants(record):
        return BadEntry(value.name, position, FieldError(f"{value.pointer}/{names[0]}", IMPLAUSIBLE))
    return Entry(value.name, position, record)


def _wrong_instants(record: Record) -> list[str]:
    return [name for name in INSTANTS[type(record)] if not is_plausible(getattr(record, name))]


def _refusal(value: RawValue) -> UnreadableFile:
    if value.position is not None:
        return UnreadableFile(f"/{value.name}: stands there twice")
    if value.name in SECTIONS:
        return UnreadableFile(f"{value.pointer}: has to be a list")
    if value.name in HEAD:
        return UnreadableFile(f"{value.pointer}: has to stand before the lists")
    return UnreadableFile(f"{value.pointer}: nothing in an archive is called so")
