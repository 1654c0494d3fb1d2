"""Several tags in one cell."""

import csv
import re
from collections.abc import Iterable

from core.rules.texts import unguard_formula
from core.statements.limits import MAX_CELL_CHARS, MAX_TAG_CHARS, MAX_TAGS

_CONTROLS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def tidy_tags(cell: str) -> tuple[str, ...]:
    """Tags with commas or semicolons between them, quoted where need be; "#holiday" is the tag "holiday"."""
    if not cell or cell.isspace():
        return ()
    text = _CONTROLS.sub(" ", cell[:MAX_CELL_CHARS])
    parts = text.split(";") if "," not in text else _csv_cells(text)
    return _tags(part.strip().removeprefix("#").strip() for part in parts)


def exact_tags(cell: str) -> tuple[str, ...]:
    """Tags as we write them: the cell is a line of CSV in itself."""
    return _tags(_csv_cells(_CONTROLS.sub(" ", unguard_formula(cell[:MAX_CELL_CHARS])))) if cell else ()


def _csv_cells(line: str) -> list[str]:
    try:
        return next(csv.reader((line,)), [])
    except csv.Error:
        return []


def _tags(parts: Iterable[str]) -> tuple[str, ...]:
    """Each once; what is too long, or too many, is left out rather than cut."""
    tags = (part.strip(" ") for part in parts)
    return tuple(dict.fromkeys(tag for tag in tags if tag and len(tag) <= MAX_TAG_CHARS))[:MAX_TAGS]
