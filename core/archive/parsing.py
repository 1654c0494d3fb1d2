"""Takes an archive apart into its raw records, in little memory whatever the file holds.

The file may be anybody's: a text, a number or a record beyond what an archive can have, and brackets within
brackets without an end, are refused as soon as they are seen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import DecimalException
from itertools import chain, count
from typing import Any, BinaryIO

from core.statements.refusals import UnreadableFile

PIECE_BYTES = 64 * 1024
"""Read at a time. All that is found in a piece is in memory at once, some hundred bytes for each of it."""

MAX_RECORD_BYTES = 4 * 1024 * 1024
"""Of a record, and so of a text in it: a hundred lines with the longest notes, written in escapes, have
three. What is read takes up to fifteen times as much memory."""

MAX_RECORD_BRACKETS = 10_000
"""Lists and objects in a record: the amounts of a budget may be 5,000. An empty one takes seventy bytes."""

MAX_DEPTH = 24
"""Of lists and objects within a record: conditions of rules take ten."""

MAX_SHOWN_CHARS = 200
"""Of what stands in the file and is said back to the user."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

STARTS = frozenset(("start_map", "start_array"))
ENDS = frozenset(("end_map", "end_array"))
BRACKETS = STARTS | ENDS

Event = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class RawValue:
    """A value of the top level by its name; with a `position`, counted from 0, one of a list there."""

    name: str
    position: int | None
    value: Any

    @property
    def pointer(self) -> str:
        name = shown(self.name).replace("~", "~0").replace("/", "~1")
        return f"/{name}" if self.position is None else f"/{name}/{self.position}"


def shown(text: str) -> str:
    """The text, or its beginning, without characters that do not show."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_SHOWN_CHARS])


def raw_values(file: BinaryIO, *, lists: Mapping[str, bool]) -> Iterator[RawValue]:
    """What stands on the top level, in its order, each when it is asked for.

    The values of those `lists` come one by one, and None in the place of each where they are not wanted. All
    else comes as a whole.

    Raises:
        UnreadableFile: also after some values.
    """
    source = _Source(file)
    events = chain.from_iterable(source.pieces())
    if next(events)[0] != "start_map":
        raise source.refusal("an archive is a JSON object")
    for event, name in events:
        if event == "end_map":
            break
        first = next(events)
        if first[0] == "start_array" and name in lists:
            yield from _items(source, events, name, is_wanted=lists[name])
        else:
            source.place = RawValue(name, None, None)
            yield RawValue(name, None, _built(source, events, *first))
            source.since_record = 0
    # What comes behind the end is refused by the parser.
    for _ in events:
        pass


def _items(source: "_Source", events: Iterator[Event], name: str, *, is_wanted: bool) -> Iterator[RawValue]:
    for position in count():
        event, value = next(events)
        if event == "end_array":
            return
        source.place = RawValue(name, position, None)
        if is_wanted:
            yield RawValue(name, position, _built(source, events, event, value))
        else:
            if event in STARTS:
                _pass_over(events)
            yield source.place
        source.since_record = 0


def _pass_over(events: Iterator[Event]) -> None:
    """Read on to the end of a list or object that has just begun."""
    depth = 1
    for event, _value in events:
        if event in STARTS:
            depth += 1
        elif event in ENDS:
            depth -= 1
            if not depth:
                return


def _built(source: "_Source", events: Iterator[Event], event: str, value: Any) -> Any:
    """The value that begins with an event. The most frequent events come first: there are dozens a record."""
    if event not in STARTS:
        return value
    within: Any = {} if event == "start_map" else []
    is_map, key, above, brackets = event == "start_map", "", [], 0
    for event, value in events:
        if event == "map_key":
            key = value
        elif event not in BRACKETS:
            if is_map:
                within[key] = value
            else:
                within.append(value)
        elif event in STARTS:
            brackets += 1
            above.append(within)
            if len(above) > MAX_DEPTH:
                raise source.refusal(f"nested more than {MAX_DEPTH} deep")
            if brackets > MAX_RECORD_BRACKETS:
                raise source.refusal(f"a record with more than {MAX_RECORD_BRACKETS} brackets")
            inner: Any = {} if event == "start_map" else []
            if is_map:
                within[key] = inner
            else:
                within.append(inner)
            within, is_map = inner, event == "start_map"
        elif above:
            within = above.pop()
            is_map = type(within) is dict
        else:
            break
    return within


class _Source:
    """The file, which is read no further than a record may be long."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.since_record = 0
        """Bytes that were read since the last record was complete."""

        self.place: RawValue | None = None
        """What is being read, without its value."""

    def pieces(self) -> Iterator[list[Event]]:
        """What is found in each piece of the file: `start_map`, `map_key`, `string`, … with their values."""
        # Not at import: only who reads an archive needs it.
        import ijson
        from ijson.backends import yajl2_c

        found: list[Event] = ijson.sendable_list()
        parser = yajl2_c.basic_parse_coro(found)
        piece = self._file.read(PIECE_BYTES).removeprefix(BYTE_ORDER_MARK)
        while True:
            try:
                parser.send(piece)  # an empty one is the end
            except StopIteration:
                pass
            except ijson.JSONError as error:
                yield found  # so that the place is right
                raise self.refusal(_reason(error)) from error
            except (ValueError, DecimalException, SystemError) as error:
                # Of a number that cannot be had ijson keeps half an event, which crashes whoever looks at it.
                raise self.refusal(_reason(error)) from error
            yield found
            found.clear()
            if not piece:
                return
            self.since_record += len(piece)
            if self.since_record > MAX_RECORD_BYTES:
                raise self.refusal(f"a record of more than {MAX_RECORD_BYTES} bytes")
            piece = self._file.read(PIECE_BYTES)

    def refusal(self, reason: str) -> UnreadableFile:
        return UnreadableFile(f"{reason}, in {self.place.pointer}" if self.place else reason)


def _reason(error: Exception) -> str:
    """In a line what the parser found; it adds the text around it, which is hard to read in a sentence."""
    if isinstance(error, UnicodeDecodeError):
        return "not in UTF-8"
    message = error.args[0] if error.args else ""
    text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
    if "premature EOF" in text:
        return "the file breaks off"
    if "UTF8" in text:
        return "not in UTF-8"
    kind, _, rest = text.partition("\n")[0].partition(": ")
    return f"malformed JSON: {rest}" if kind.endswith("error") else "a number has too many digits"
