"""Which encoding a text file has: a sample can tell, but only the whole file can bear it out."""

import codecs
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, get_args

from core.statements.limits import MAX_FILE_BYTES
from core.statements.mapping import Encoding
from core.statements.refusals import UnreadableFile

CHUNK_BYTES = 256 * 1024
SAMPLE_BYTES = 8 * 1024
"""Of text around characters beyond ASCII; more makes the guess slower, not better."""

AROUND_BYTES = 200
MAX_DAMAGED = 20
"""A file is UTF-8 with at most one broken character for so many good ones: some banks cut texts by bytes."""

NEARLY_AS_GOOD = 0.1
"""Difference in the measure of disorder that a few words of text do not bear out."""

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
_BOMS: tuple[tuple[bytes, Encoding], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_USUAL_BY_CURRENCY: dict[str, Encoding] = {
    **dict.fromkeys(("CZK", "HUF", "PLN", "RON", "ALL", "BAM"), "windows-1250"),
    **dict.fromkeys(("RUB", "UAH", "BYN", "KZT", "RSD", "MKD", "KGS"), "windows-1251"),
    "TRY": "windows-1254",
}
"""What Windows has where that money is; elsewhere windows-1252, and what is not alike it shows clearly."""

_UNICODE = ("utf-8", "utf-16-le", "utf-16-be")


@dataclass(frozen=True, slots=True)
class EncodingFound:
    encoding: Encoding
    is_certain: bool
    undecodable: int = 0
    """Characters that are broken in the file."""


def find_encoding(file: BinaryIO, default_currency: str) -> EncodingFound:
    """The encoding of a text file, which is read from its beginning.

    Raises:
        UnreadableFile: it is no text, or too large.
    """
    file.seek(0)
    head = file.read(4096)
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return EncodingFound(encoding, is_certain=True)
    if head.count(0) > len(head) // 20:
        return EncodingFound(_utf_16(head), is_certain=True)
    damage = _damage_as_utf_8(file)
    if damage is None:
        return EncodingFound("utf-8", is_certain=True)
    good, broken = damage
    if broken * MAX_DAMAGED <= good:
        return EncodingFound("utf-8", is_certain=True, undecodable=broken)
    return EncodingFound(_single_byte(file, default_currency), is_certain=False)


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """The whole file, from its beginning.

    Raises:
        UnreadableFile: it is too large.
    """
    file.seek(0)
    size = 0
    while chunk := file.read(CHUNK_BYTES):
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            raise UnreadableFile(f"is larger than {MAX_FILE_BYTES} bytes")
        yield chunk


def _utf_16(head: bytes) -> Encoding:
    """Text in Western letters has a NUL in every other place."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if min(even, odd) > max(even, odd) // 4:
        raise UnreadableFile("is no text file")
    return "utf-16-le" if odd > even else "utf-16-be"


def _damage_as_utf_8(file: BinaryIO) -> tuple[int, int] | None:
    """How many characters beyond ASCII are good, and how many broken; None if the file is all good."""
    strict = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks(file):
            strict.decode(chunk)
        strict.decode(b"", final=True)
    except UnicodeDecodeError:
        pass
    else:
        return None
    lenient = codecs.getincrementaldecoder("utf-8")("replace")
    beyond = broken = 0
    for chunk in chunks(file):
        text = lenient.decode(chunk)
        broken += text.count("\ufffd")
        beyond += len(text) - len(text.encode("ascii", "ignore"))
    return beyond - broken, max(broken, 1)


def _single_byte(file: BinaryIO, default_currency: str) -> Encoding:
    # Not at import: only the processes that read such a file need it.
    from charset_normalizer import from_bytes

    sample = _sample(file)
    if b"\xa4" in sample and not re.search(rb"[\x80-\x9f]", sample):
        # The euro there; nobody writes the sign that windows-1252 has in its place.
        return "iso-8859-15"
    candidates: list[Encoding] = [name for name in get_args(Encoding) if name not in _UNICODE]
    names = {codecs.lookup(name).name: name for name in candidates}
    # It warns of short samples, which is no news to anyone.
    logging.getLogger("charset_normalizer").setLevel(logging.ERROR)
    disorder: dict[Encoding, float] = {}
    for match in from_bytes(sample, cp_isolation=list(names)):
        for alike in match.could_be_from_charset:
            if name := names.get(codecs.lookup(alike).name):
                disorder.setdefault(name, match.chaos)
    usual: tuple[Encoding, ...] = ("windows-1252", "cp850")
    if default_currency in _USUAL_BY_CURRENCY:
        usual = (_USUAL_BY_CURRENCY[default_currency], *usual)
    least = min(disorder.values(), default=0.0)
    for encoding in usual:
        if encoding in disorder and disorder[encoding] <= least + NEARLY_AS_GOOD:
            return _bearing(file, encoding)
    return _bearing(file, min(disorder, key=disorder.__getitem__, default="windows-1252"))


def _sample(file: BinaryIO) -> bytes:
    """What is beyond ASCII, with the text around it: often the first such letter is far behind the head."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks(file):
        end = 0
        for match in _BEYOND_ASCII.finditer(chunk):
            if match.start() < end:
                continue
            # Whole lines where they are short, since to cut a character of two bytes would mislead.
            line = chunk.rfind(b"\n", max(end, match.start() - AROUND_BYTES), match.start()) + 1
            start = line or max(end, match.start() - AROUND_BYTES)
            end = chunk.find(b"\n", match.end(), match.end() + AROUND_BYTES)
            if end < 0:
                end = match.end() + AROUND_BYTES
            parts.append(chunk[start:end])
            size += len(parts[-1])
            if size >= SAMPLE_BYTES:
                return b"\n".join(parts)
    return b"\n".join(parts)


def _bearing(file: BinaryIO, encoding: Encoding) -> Encoding:
    """The encoding if the whole file can be read in it, else one that can be anything."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks(file):
            decoder.decode(chunk)
    except UnicodeDecodeError:
        return "iso-8859-1"
    return encoding
