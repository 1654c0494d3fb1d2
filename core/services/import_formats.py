"""Which formats of files can be imported, and by what."""

from collections.abc import Mapping
from uuid import UUID

from core.archive.sections import MAX_ARCHIVE_BYTES
from core.errors import invalid
from core.services.import_protocol import ImportDestination, ImportFormat, WithoutGroup
from core.services.shared_imports import SharedImports
from core.services.statement_imports import StatementImports
from core.statements.formats import ARCHIVE, SHARED, STATEMENTS, Format

IMPORTED: Mapping[Format, ImportFormat] = {
    **{name: StatementImports(name) for name in sorted(STATEMENTS)},
    **{name: SharedImports(name) for name in sorted(SHARED)},
}

MAX_FILE_BYTES = max(one.max_bytes for one in IMPORTED.values())
"""Of a file of which the format is not known yet, unless it begins as an archive."""


def find_format(name: Format | None) -> ImportFormat | None:
    """What imports files of this format, if it is known and anything does."""
    return None if name is None else IMPORTED.get(name)


def format_of(name: Format | None) -> ImportFormat:
    """Raises:
    InvalidInput: files of this format cannot be imported.
    """
    found = find_format(name)
    if found is None:
        raise invalid("/format", "files of this format cannot be imported yet")
    return found


def destination_of(name: Format | None) -> ImportDestination:
    """Raises:
    InvalidInput: files of this format cannot be imported.
    """
    return WithoutGroup() if name == ARCHIVE else format_of(name)


def check_size(name: Format, size: int) -> None:
    """Raises:
    InvalidInput: the file is larger than its format may be.
    """
    limit = MAX_ARCHIVE_BYTES if name == ARCHIVE else format_of(name).max_bytes
    if size > limit:
        raise invalid("/file", f"may have {limit} bytes in this format")


def check_destination(name: Format, group_id: UUID | None) -> None:
    """Raises:
    InvalidInput: files of this format go elsewhere.
    """
    if group_id is not None and name not in SHARED:
        raise invalid("/group_id", "files of this format become your own expenses, not a group's")
    if group_id is None and name in SHARED:
        raise invalid("/group_id", "files of this format become expenses of a group: say of which")
