"""The file of a backup: a header and numbered chunks, each compressed and sealed, in one pass out and in.

A chunk is its length (4 bytes, the highest bit for the last one) and what `core/backup/sealing.py` makes of
it. Within it the first byte is its kind. Compression and encryption run in threads beside the database.
"""

import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import BinaryIO, Self

from core.backup.errors import BackupError, DamagedBackup
from core.backup.sealing import HEADER_BYTES, Seal, new_seal, seal_of

CHUNK_BYTES = 1 << 20
"""Large enough that its overhead is nothing, small enough for dozens of them in memory."""

MAX_CHUNK_BYTES = 1 << 26
"""No row is so large. Whoever claims more has a damaged length, or wants our memory."""

LENGTH_BYTES = 4
LAST = 1 << 31

LEVEL = 1
"""Of zlib: its default, 6, takes more than twice as long and saves a fifth."""

THREADS = 2
IN_HAND = 4
"""Chunks on their way through the threads: as many again as are worked on."""


class Kind(IntEnum):
    OPENING = 1
    TABLE = 2
    ROWS = 3
    FILE = 4
    BYTES = 5
    MANIFEST = 6


UNCOMPRESSED = frozenset({Kind.BYTES})
"""Pictures, PDFs and workbooks are compressed already."""


@dataclass(frozen=True, slots=True)
class Chunk:
    kind: Kind
    data: bytes


class _Threads:
    """Ends with its block; what has not begun by then never does."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="backup")
        self._coming: deque[Future[bytes]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


class ChunkWriter(_Threads):
    def __init__(self, file: BinaryIO, *, key: str) -> None:
        super().__init__()
        self._file = file
        self._seal: Seal = new_seal(key)
        self._number = 0
        self._write(self._seal.header)

    def put(self, kind: Kind, data: bytes, *, is_last: bool = False) -> None:
        if len(data) >= MAX_CHUNK_BYTES:
            raise BackupError(f"a part of {len(data)} bytes is too large for a backup")
        self._coming.append(self._pool.submit(self._made, kind, data, self._number, is_last))
        self._number += 1
        while len(self._coming) > (0 if is_last else IN_HAND):
            self._write(self._coming.popleft().result())

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise BackupError(f"cannot write the backup: {error.strerror or error}") from error

    def _made(self, kind: Kind, data: bytes, number: int, is_last: bool) -> bytes:
        body = data if kind in UNCOMPRESSED else zlib.compress(data, LEVEL)
        sealed = self._seal.close(bytes((kind,)) + body, number=number, is_last=is_last)
        return (len(sealed) | (LAST if is_last else 0)).to_bytes(LENGTH_BYTES, "big") + sealed


class ChunkReader(_Threads):
    """Iterate over it once: the chunks in their order, or an error as soon as one is not what was written.

    The last one comes only if the file ends with it. Where there is a key a plain one has to be permitted.
    """

    def __init__(self, file: BinaryIO, *, key: str, permits_plain: bool = False) -> None:
        super().__init__()
        self._file = file
        self._seal = seal_of(self._read(HEADER_BYTES), key, permits_plain=permits_plain)
        self._number = 0
        self._has_ended = False

    def __iter__(self) -> Iterator[Chunk]:
        while not self._has_ended or self._coming:
            while not self._has_ended and len(self._coming) < IN_HAND:
                self._submit_next()
            opened = self._coming.popleft().result()
            yield Chunk(_kind(opened), opened[1:])

    def _submit_next(self) -> None:
        number, length = self._number, int.from_bytes(self._exactly(LENGTH_BYTES), "big")
        self._has_ended, length = bool(length & LAST), length & ~LAST
        if length > MAX_CHUNK_BYTES * 2:
            raise DamagedBackup(f"the backup is damaged in its part {number}: a length that cannot be")
        sealed = self._exactly(length)
        if self._has_ended and self._read(1):
            raise DamagedBackup("the backup goes on behind its end")
        self._coming.append(self._pool.submit(self._opened, sealed, number, self._has_ended))
        self._number += 1

    def _exactly(self, count: int) -> bytes:
        data = self._read(count)
        if len(data) < count:
            raise DamagedBackup(f"the backup is cut off in its part {self._number}")
        return data

    def _read(self, count: int) -> bytes:
        try:
            return self._file.read(count)
        except OSError as error:
            raise BackupError(f"cannot read the backup: {error.strerror or error}") from error

    def _opened(self, sealed: bytes, number: int, is_last: bool) -> bytes:
        opened = self._seal.open(sealed, number=number, is_last=is_last)
        if _kind(opened) in UNCOMPRESSED:
            return opened
        try:
            unpacked = zlib.decompressobj()
            data = unpacked.decompress(opened[1:], MAX_CHUNK_BYTES)
        except zlib.error as error:
            raise DamagedBackup(f"part {number} of the backup cannot be unpacked") from error
        if not unpacked.eof:
            raise DamagedBackup(f"part {number} of the backup cannot be unpacked")
        return opened[:1] + data


def _kind(opened: bytes) -> Kind:
    try:
        return Kind(opened[0])
    except (IndexError, ValueError) as error:
        raise DamagedBackup("the backup has a part of an unknown kind") from error
