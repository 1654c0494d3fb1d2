"""Names that people chose, made fit for a chart: nothing that breaks a picture, no more than its room."""

import unicodedata

MAX_LABEL_CHARACTERS = 200
"""Read of a name; no column has room for more, and measuring costs by the character."""

MAX_MARKS = 3
"""Combining marks on one letter. Written languages do with that; towers of them would cover other rows."""

ELLIPSIS = "…"

_JOINERS = "\u200c\u200d"
_CLOSED_CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs"}
"""Controls (a NUL makes vl-convert abort), marks of direction, what Unicode does not define, surrogates."""

# Thousandths of the letter size: the advances of Liberation Sans, which are those of Arial and Helvetica.
_ADVANCES = {
    character: advance
    for advance, characters in {
        191: "'",
        222: "ijl",
        260: "|",
        278: " !,./:;I[\\]ft",
        333: "()-`r·",
        355: '"',
        389: "*",
        469: "^",
        500: "Jcksvxyz",
        556: "#$0123456789?L_abdeghnopqu€£¥\N{EN DASH}",
        584: "+<=>~\N{MINUS SIGN}",
        611: "FTZ",
        667: "&ABEKPSVXY₱",
        722: "CDHNRUw₦₡",
        778: "GOQ₲",
        833: "Mm",
        889: "%",
        944: "W₩",
        1000: ELLIPSIS,
        1015: "@",
    }.items()
    for character in characters
}
_WIDE_ADVANCE = 1000
_OTHER_ADVANCE = 700
"""Of letters beyond ASCII: more than most have, so that a label rather ends early than late."""


def clean(text: str, *, longest: int = MAX_LABEL_CHARACTERS) -> str:
    """One line of printable text: spaces of any kind as single spaces, "?" where nothing is left."""
    kept: list[str] = []
    marks = 0
    for character in text[:longest]:
        category = unicodedata.category(character)
        if category in {"Zl", "Zp", "Zs"} or character in "\t\r\n":
            kept.append(" ")
        elif category in {"Mn", "Me"}:
            marks += 1
            if marks <= MAX_MARKS:
                kept.append(character)
            continue
        elif category not in _CLOSED_CATEGORIES or character in _JOINERS:
            kept.append(character)
        marks = 0
    return " ".join("".join(kept).split()) or "?"


def width_of(text: str, size: int) -> int:
    """Pixels, rounded up, that the text takes at this letter size; about right beyond ASCII."""
    return -(-sum(map(_advance, text)) * size // 1000)


def fit(text: str, width: int, size: int) -> str:
    """The cleaned text, cut with an ellipsis where it is wider than so many pixels."""
    text = clean(text)
    if width_of(text, size) <= width:
        return text
    room = width * 1000 - _advance(ELLIPSIS) * size
    used, end = 0, 0
    for position, character in enumerate(text):
        used += _advance(character) * size
        if used > room:
            break
        if not _continues(text, position + 1):
            end = position + 1
    return text[:end].rstrip() + ELLIPSIS


def _continues(text: str, position: int) -> bool:
    """Whether what stands there belongs to the character before, so that no cut may come between."""
    if position >= len(text):
        return False
    return _advance(text[position]) == 0 or text[position - 1] in _JOINERS


def _advance(character: str) -> int:
    advance = _ADVANCES.get(character)
    if advance is not None:
        return advance
    if character in _JOINERS or unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    if unicodedata.east_asian_width(character) in {"W", "F"} or ord(character) > 0xFFFF:
        return _WIDE_ADVANCE
    return _OTHER_ADVANCE
