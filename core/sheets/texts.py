"""Texts in the cells of files for spreadsheet programs, which take some of them for formulas.

In CSV a cell has no type, so a text that begins like a formula gets an apostrophe before it, and loses it
again when it is read: `escape` and `unescape` are exact for every text, as one that begins with apostrophes
and then like a formula gets one more. (A tab, which some put there instead, is dropped by some programs.)
Numbers and dates are never touched.

In XLSX a cell says that it is a text: there nothing is escaped, and nothing must be unescaped.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator

FORMULA_LIKE = re.compile(r"'*[\s\0]*[=+\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20]")
"""What programs take for the beginning of a formula (OWASP ASVS 5.0, 1.2.10), also after white space, and in
the full-width forms that some read like the plain ones."""

PIECE_CHARACTERS = 500_000
"""Written at a time: a thousand rows and more, unless they are long."""

SPECIAL = re.compile(r'[",;\t\r\n]')
PLAIN = re.compile(r'(?:[A-Za-z0-9][^",;\t\r\n]*)?')
"""What stands in a cell as it is: most texts, told by one look."""


def escape(text: str) -> str:
    """The text as a cell of CSV that no program takes for a formula."""
    return f"'{text}" if FORMULA_LIKE.match(text) else text


def csv_cell(text: str) -> str:
    """The text escaped, and in quotation marks where RFC 4180 wants them for any of the usual delimiters."""
    if PLAIN.fullmatch(text):
        return text
    escaped = escape(text)
    return '"' + escaped.replace('"', '""') + '"' if SPECIAL.search(escaped) else escaped


def unescape(cell: str) -> str:
    """The text of which `escape` has made the cell; any other cell is as it is."""
    return cell[1:] if cell.startswith("'") and FORMULA_LIKE.match(cell, 1) else cell


def in_pieces(texts: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Texts joined to pieces of about `PIECE_CHARACTERS`, each with the number of texts in it."""
    piece: list[str] = []
    size = 0
    for text in texts:
        piece.append(text)
        size += len(text)
        if size > PIECE_CHARACTERS:
            yield "".join(piece), len(piece)
            piece, size = [], 0
    if piece:
        yield "".join(piece), len(piece)


def join_tags(tags: Iterable[str]) -> str:
    """Tags in one cell: `holiday, "sea, sand"`. Only one with a comma or a quotation mark in it is quoted."""
    return ", ".join(f'"{tag.replace(chr(34), chr(34) * 2)}"' if _is_quoted(tag) else tag for tag in tags)


def split_tags(cell: str) -> list[str]:
    """What `join_tags` has joined, or somebody has written like that; empty ones are left out."""
    rows = csv.reader(io.StringIO(cell.replace("\r", " ").replace("\n", " ")), skipinitialspace=True)
    return [tag.strip(" ") for row in rows for tag in row if tag.strip(" ")]


def _is_quoted(tag: str) -> bool:
    return "," in tag or '"' in tag
