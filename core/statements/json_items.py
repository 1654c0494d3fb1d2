"""JSON from strangers, taken piece by piece: an object at a time, none of them deep or large."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from core.statements.encodings import CHUNK_BYTES
from core.statements.limits import MAX_FILE_BYTES
from core.statements.refusals import UnreadableFile

MAX_DEPTH = 20
MAX_VALUES = 20_000
"""In an object of a list: an expense that a hundred people share has a few hundred."""

MAX_DIGITS = 300
"""Of a number. The parser in C does not notice that Python refuses numbers of thousands of digits, goes on
with an error that nobody has handled, and can take the process with it. So they must not come to it."""

_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_BOM = b"\xef\xbb\xbf"


def json_items(file: BinaryIO) -> Iterator[tuple[str, Any]]:
    """The members of the object that the file is: of a list each of its values, under the list's name.

    Numbers are int or Decimal; nothing is ever rounded.

    Raises:
        UnreadableFile
    """
    # Not at import: only the processes that read such a file need it.
    import ijson

    file.seek(0)
    if file.read(len(_BOM)) != _BOM:
        file.seek(0)
    events = ijson.basic_parse(_Bounded(file), buf_size=CHUNK_BYTES)
    try:
        yield from _members(events)
    # An exponent beyond what Decimal can have is an arithmetic error.
    except (ijson.JSONError, ValueError, ArithmeticError) as error:
        raise UnreadableFile("is damaged: it is no JSON that can be read") from error


def _members(events: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    if next(events)[0] != "start_map":
        raise UnreadableFile("is JSON, but no object")
    key = ""
    for event, value in events:
        if event == "map_key":
            key = value
        elif event == "start_array":
            for first, inner in events:
                if first == "end_array":
                    break
                yield key, _value(first, inner, events)
        elif event != "end_map":
            yield key, _value(event, value, events)


def _value(event: str, value: Any, events: Iterator[tuple[str, Any]]) -> Any:
    """The value that begins with the event."""
    if event not in ("start_map", "start_array"):
        return value
    whole: Any = {} if event == "start_map" else []
    open_ones, keys = [whole], [""]
    for count, (inner, content) in enumerate(events):
        if count > MAX_VALUES:
            raise UnreadableFile("has an object that is too large")
        if inner == "map_key":
            keys[-1] = content
            continue
        if inner in ("end_map", "end_array"):
            open_ones.pop()
            keys.pop()
            if not open_ones:
                return whole
            continue
        is_leaf = inner not in ("start_map", "start_array")
        child: Any = content if is_leaf else ({} if inner == "start_map" else [])
        if isinstance(open_ones[-1], dict):
            open_ones[-1][keys[-1]] = child
        else:
            open_ones[-1].append(child)
        if not is_leaf:
            open_ones.append(child)
            keys.append("")
            if len(open_ones) > MAX_DEPTH:
                raise UnreadableFile(f"has more than {MAX_DEPTH} levels")
    raise UnreadableFile("is damaged: it ends too early")


class _Bounded:
    """A file that ends with a refusal where it is too large, or has a number that is too long."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = MAX_FILE_BYTES

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UnreadableFile(f"is larger than {MAX_FILE_BYTES} bytes")
        # Of twice as many digits, one of two pieces has enough of them.
        if b"0" * MAX_DIGITS in data.translate(_ZEROS):
            raise UnreadableFile(f"has a number of more than {MAX_DIGITS} digits")
        return data
