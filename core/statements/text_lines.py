"""The lines of a text file, one at a time and none too long."""

import codecs
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from core.statements.encodings import chunks
from core.statements.limits import MAX_LINE_CHARS, MAX_LINES, MAX_RECORD_LINES
from core.statements.mapping import Encoding
from core.statements.refusals import UnreadableFile


class RecordTooLong(ValueError):
    """More lines than any record has were taken for one."""


class TextLines(Iterator[str]):
    """Lines with their ends as they are, for `csv.reader`; a byte order mark is passed over.

    What was taken since `begin_record` can be given back, to be read in another way. What the encoding does
    not know comes as U+FFFD: a broken letter should cost no row.
    """

    def __init__(self, file: BinaryIO, encoding: Encoding, *, last: int = MAX_LINES + 1) -> None:
        """`last` is the number of the line behind which it is as if the file ended."""
        self._last = last
        self._chunks = _decoded(file, encoding)
        self._ready: Iterator[str] = iter(())
        self._rest: str | None = ""
        self._chars = 0
        self.taken: list[str] = []
        self.number = 0
        """Of the line that was taken last, from 1."""

    def __next__(self) -> str:
        """Raises:
        RecordTooLong: the record has too many lines, or characters, already.
        UnreadableFile: the line is too long, or there are too many.
        """
        if self.number >= self._last:
            raise StopIteration
        line = next(self._ready, None)
        while line is None:
            if self._rest is None:
                raise StopIteration
            self._fill()
            line = next(self._ready, None)
        self.number += 1
        if self.number > MAX_LINES:
            raise UnreadableFile(f"has more than {MAX_LINES} lines")
        self.taken.append(line)
        self._chars += len(line)
        if self._chars > MAX_LINE_CHARS and len(self.taken) == 1:
            raise self._too_long(self.number)
        if self._chars > MAX_LINE_CHARS or len(self.taken) > MAX_RECORD_LINES:
            raise RecordTooLong
        return line

    def begin_record(self) -> int:
        """Forget what was taken; answers the number of the next line."""
        self.taken.clear()
        self._chars = 0
        return self.number + 1

    def give_back(self, lines: Iterable[str]) -> None:
        """Have the last ones of `taken` read again."""
        returned = list(lines)
        self.number -= len(returned)
        self._ready = chain(returned, self._ready)

    def _fill(self) -> None:
        """Cut the next chunk into lines; the last one waits for its end."""
        chunk = next(self._chunks, None)
        text = (self._rest or "") + (chunk or "")
        # Not splitlines(), for which a line also ends at a form feed or U+2028.
        lines = io.StringIO(text, newline="").readlines()
        self._rest = None
        if chunk is not None:
            # A line feed may still follow a carriage return.
            is_open = bool(lines) and not lines[-1].endswith("\n")
            self._rest = lines.pop() if is_open else ""
            if len(self._rest) > MAX_LINE_CHARS:
                raise self._too_long(self.number + len(lines) + 1)
        self._ready = iter(lines)

    def _too_long(self, line: int) -> UnreadableFile:
        return UnreadableFile(f"has more than {MAX_LINE_CHARS} characters in line {line}")


def _decoded(file: BinaryIO, encoding: Encoding) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    is_first = True
    for chunk in chunks(file):
        text = decoder.decode(chunk)
        if is_first and text:
            text, is_first = text.removeprefix("\ufeff"), False
        if text:
            yield text
    if text := decoder.decode(b"", final=True):
        yield text
