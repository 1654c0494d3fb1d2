"""Which formats of files can be imported, and by what."""

from collections.abc import Mapping

from core.errors import invalid
from core.services.import_protocol import ImportFormat
from core.services.statement_imports import StatementImports
from core.statements.formats import STATEMENTS, Format

IMPORTED: Mapping[Format, ImportFormat] = {name: StatementImports(name) for name in sorted(STATEMENTS)}

MAX_FILE_BYTES = max(one.max_bytes for one in IMPORTED.values())
"""Of a file of which the format is not known yet."""


def format_of(name: Format | None) -> ImportFormat:
    """Raises:
    InvalidInput: files of this format cannot be imported.
    """
    found = None if name is None else IMPORTED.get(name)
    if found is None:
        raise invalid("/format", "files of this format cannot be imported yet")
    return found


def check_size(name: Format, size: int) -> None:
    """Raises:
    InvalidInput: the file is larger than its format may be.
    """
    limit = format_of(name).max_bytes
    if size > limit:
        raise invalid("/file", f"may have {limit} bytes in this format")
