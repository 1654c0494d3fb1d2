"""Writes an archive, record by record: one JSON document with a record in each line."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import msgspec

from core.archive.records import Profile, Record
from core.archive.sections import FORMAT, VERSION

PIECE_BYTES = 256 * 1024
"""Written at a time: a system call for each record would take as long as the record itself."""

Write = Callable[[bytes], object]

ENCODE = msgspec.json.Encoder().encode


def write_archive(
    write: Write,
    *,
    exported_at: datetime,
    user: Profile,
    sections: Iterable[tuple[str, Iterable[Record]]],
) -> Iterator[int]:
    """Write the document with `write`; yields how many records are in it, after each piece and at the end.

    Nothing is written until it is asked for. Sections come in the order of `sections.SECTIONS`.
    """
    count = 0
    buffer = bytearray(b'{\n"format": %s,\n"version": %d' % (ENCODE(FORMAT), VERSION))
    buffer += b',\n"exported_at": %s,\n"user": %s' % (ENCODE(exported_at), ENCODE(user))
    for name, records in sections:
        buffer += b",\n%s: [" % ENCODE(name)
        separator = b"\n"
        for record in records:
            buffer += separator
            buffer += ENCODE(record)
            separator = b",\n"
            count += 1
            if len(buffer) >= PIECE_BYTES:
                write(bytes(buffer))
                buffer.clear()
                yield count
        buffer += b"\n]"
    write(bytes(buffer + b"\n}\n"))
    yield count
