"""Texts of files in the form in which they can be stored."""

import re
from collections.abc import Iterable

from core.rules.texts import unguard_formula
from core.statements.limits import MAX_SHOWN_CHARS

_SPACES = re.compile(r"\s+")
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_UNSTORABLE_IN_NOTES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_NEVER_STORABLE = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL's text holds no NUL, and no text in UTF-8 a half of a surrogate pair."""


def tidy_line(text: str, limit: int) -> str | None:
    """One line of text: control characters and runs of spaces become one space, none at the ends."""
    if not text.isprintable():
        text = _UNSTORABLE.sub(" ", _SPACES.sub(" ", text))
    if "  " in text:
        text = _SPACES.sub(" ", text)
    text = text.strip()
    return text if 0 < len(text) <= limit else text[:limit].rstrip() or None


def tidy_note(text: str, limit: int) -> str | None:
    """As `tidy_line`, but lines stay lines."""
    if text.isprintable():
        return tidy_line(text, limit)
    lines = (tidy_line(line, limit) for line in text.splitlines())
    return "\n".join(filter(None, lines))[:limit].rstrip() or None


def exact_line(text: str, limit: int) -> str | None:
    """The text as it is, where it can be stored, without the guard against formulas."""
    text = unguard_formula(text)
    return (text if text.isprintable() else _UNSTORABLE.sub(" ", text))[:limit] or None


def exact_note(text: str, limit: int) -> str | None:
    text = unguard_formula(text)
    return (text if text.isprintable() else _NEVER_STORABLE.sub(" ", text))[:limit] or None


def joined_note(texts: Iterable[str | None], limit: int) -> str | None:
    """Tidy texts in a row; one that an earlier one contains is left out."""
    parts: list[str] = []
    for text in texts:
        if text and not any(text in part for part in parts):
            parts.append(text)
    return " ".join(parts)[:limit].rstrip() or None


def shown(text: str) -> str:
    """Raw content beside the reason why it could not be read."""
    # Cut first: it may be megabytes.
    cut = tidy_line(text[: 2 * MAX_SHOWN_CHARS], 2 * MAX_SHOWN_CHARS) or ""
    return cut if len(cut) <= MAX_SHOWN_CHARS else f"{cut[: MAX_SHOWN_CHARS - 1]}…"
