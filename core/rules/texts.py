"""Texts in the forms in which they are searched and compared."""

import re
import unicodedata

_ACCENTS = re.compile("[\u0300-\u036f]")
"""Combining marks of Latin, Greek and Cyrillic; those of other scripts make other letters."""

_TAKEN_FOR_FORMULA = re.compile("'*[=+\\-@\t\r\\0]")
"""ASVS 5.0, 1.2.10. The apostrophes before it make the guard one that can be taken off again."""


def search_key(*texts: str | None) -> str:
    """Texts in the form in which they are searched: compatibility forms unified, case folded."""
    return unicodedata.normalize("NFKC", "\n".join(text for text in texts if text)).casefold()


def loose_key(text: str | None) -> str:
    """As `search_key` of one text, but without accents: "Café" and "CAFE" are the same; none is empty."""
    key = search_key(text)
    if key.isascii():
        return key
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", key)))


def storable(text: str) -> str:
    """The text without what a database cannot hold: NUL, and halves of surrogate pairs."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else text.encode(errors="replace").decode()


def guard_formula(text: str) -> str:
    """The text as spreadsheet programs take it for a text, though it may begin like a formula."""
    return f"'{text}" if _TAKEN_FOR_FORMULA.match(text) else text


def unguard_formula(text: str) -> str:
    """What `guard_formula` was given."""
    return text[1:] if text.startswith("'") and _TAKEN_FOR_FORMULA.match(text) else text
