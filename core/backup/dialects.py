"""What a backup needs of a database, done in the way of each."""

from collections.abc import Callable, Iterator
from typing import Protocol

from sqlalchemy import Connection

from core.backup import postgres, sqlite
from core.backup.schema import StoredTable

Sequences = dict[str, tuple[int, bool]]
"""By name: the last number, and whether it has been given out."""


class Dialect(Protocol):
    begin_copying: Callable[[Connection], None]
    """Before anything else: the snapshot that is copied is that of the next query."""

    dump: Callable[[Connection, StoredTable], Iterator[bytes]]
    """A table's rows, in parts of about `CHUNK_BYTES`."""

    sequences: Callable[[Connection], Sequences]

    begin_filling: Callable[[Connection], None]
    """At the beginning of the transaction that fills a database: nobody else has it until its end."""

    strip: Callable[[Connection], list[str]]
    """Take away what is faster made of whole tables; answers the statements that make it again."""

    load: Callable[[Connection, StoredTable, Iterator[bytes]], None]

    set_sequences: Callable[[Connection, Sequences], None]

    rebuild: Callable[[Connection, list[str]], None]
    """Make again what was stripped, and have everything checked that is checked at a commit."""


DIALECTS: dict[str, Dialect] = {"postgresql": postgres, "sqlite": sqlite}  # type: ignore[dict-item]
