"""The file of a backup: whatever is changed in it, moved or cut off is found, encrypted or not."""

import errno
import io
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backup.container import Chunk, ChunkReader, ChunkWriter, Kind
from core.backup.errors import BackupError, DamagedBackup
from core.backup.sealing import HEADER_BYTES, MAGIC, new_seal

KEY = "a key of thirty-two bytes or more"
CHUNKS = [
    Chunk(Kind.OPENING, b"begin"),
    Chunk(Kind.ROWS, b"one row"),
    Chunk(Kind.ROWS, b"one row"),
    Chunk(Kind.BYTES, b""),
    Chunk(Kind.MANIFEST, b"end"),
]

either_key = pytest.mark.parametrize("key", ["", KEY], ids=["plain", "encrypted"])


def written(chunks: list[Chunk], key: str) -> bytes:
    file = io.BytesIO()
    with ChunkWriter(file, key=key) as writer:
        for chunk in chunks:
            writer.put(chunk.kind, chunk.data, is_last=chunk is chunks[-1])
    return file.getvalue()


def read(data: bytes, key: str) -> list[Chunk]:
    with ChunkReader(io.BytesIO(data), key=key) as reader:
        return list(reader)


def parts(data: bytes) -> tuple[bytes, list[bytes]]:
    """The header, and each chunk with its length."""
    found, position = [], HEADER_BYTES
    while position < len(data):
        length = 4 + (int.from_bytes(data[position : position + 4], "big") & 0x7FFFFFFF)
        found.append(data[position : position + length])
        position += length
    return data[:HEADER_BYTES], found


@either_key
def test_what_goes_in_comes_out_in_its_order(key: str) -> None:
    assert read(written(CHUNKS, key), key) == CHUNKS


@given(st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=3_000)), min_size=1, max_size=20))
def test_any_chunks_come_out_as_they_went_in(given_chunks: list[tuple[Kind, bytes]]) -> None:
    chunks = [Chunk(*one) for one in given_chunks]
    assert read(written(chunks, KEY), KEY) == chunks


@either_key
def test_every_flipped_bit_is_found(key: str) -> None:
    data = written(CHUNKS, key)
    for position in range(len(data)):
        for bit in (1, 128):
            damaged = bytearray(data)
            damaged[position] ^= bit
            with pytest.raises(BackupError):
                read(bytes(damaged), key)


@either_key
def test_every_cut_is_found_and_what_is_added(key: str) -> None:
    data = written(CHUNKS, key)
    for length in range(len(data)):
        with pytest.raises(BackupError):
            read(data[:length], key)
    with pytest.raises(DamagedBackup, match="goes on behind its end"):
        read(data + b"\0", key)


@either_key
@pytest.mark.parametrize(
    "change",
    [
        lambda chunks: [chunks[0], chunks[2], chunks[1], *chunks[3:]],
        lambda chunks: [chunks[0], *chunks[2:]],
        lambda chunks: [chunks[0], chunks[1], chunks[1], *chunks[2:]],
        lambda chunks: chunks[:-1],
        lambda chunks: [chunks[-1]],
    ],
    ids=["exchanged", "left out", "repeated", "without its end", "nothing but its end"],
)
def test_whole_chunks_in_other_places_are_found(
    key: str, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    header, chunks = parts(written(CHUNKS, key))
    with pytest.raises(DamagedBackup):
        read(header + b"".join(change(chunks)), key)


@either_key
def test_chunks_of_another_backup_are_found(key: str) -> None:
    header, _ = parts(written(CHUNKS, key))
    _, chunks = parts(written(CHUNKS, key))
    with pytest.raises(BackupError):
        read(header + b"".join(chunks), key)


def test_the_wrong_key_and_none_are_said_so() -> None:
    data = written(CHUNKS, KEY)
    with pytest.raises(BackupError, match="OUTLAY_BACKUP_KEY is not the key"):
        read(data, KEY + "!")
    with pytest.raises(BackupError, match="is encrypted: set OUTLAY_BACKUP_KEY"):
        read(data, "")


def test_what_is_not_encrypted_is_refused_where_there_is_a_key() -> None:
    """Nothing says who made it."""
    with pytest.raises(BackupError, match="not encrypted"):
        read(written(CHUNKS, ""), KEY)


@either_key
def test_who_permits_plain_ones_still_reads_those_that_the_key_has_made(key: str) -> None:
    with ChunkReader(io.BytesIO(written(CHUNKS, key)), key=KEY, permits_plain=True) as reader:
        assert list(reader) == CHUNKS


@pytest.mark.parametrize("data", [b"", b"SQLite format 3\0", b"outlay backup 2\n" + bytes(100)])
def test_other_files_are_told_apart(data: bytes) -> None:
    with pytest.raises(BackupError, match="no backup of Outlay"):
        read(data, "")


def test_a_disk_that_cannot_be_read_is_said_so() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= HEADER_BYTES:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    failing = Failing(written(CHUNKS, ""))
    words = "cannot read the backup: Input/output error"
    with ChunkReader(failing, key="") as reader, pytest.raises(BackupError, match=words):
        list(reader)


def test_nothing_that_was_written_shows_in_an_encrypted_one() -> None:
    secret = bytes(range(256))
    chunks = [Chunk(Kind.BYTES, secret), Chunk(Kind.MANIFEST, b"")]
    assert secret in written(chunks, "")
    assert secret not in written(chunks, KEY)
    # Not even that two chunks are the same.
    _, sealed = parts(written(CHUNKS, KEY))
    assert sealed[1] != sealed[2]


def test_what_would_unpack_to_gigabytes_is_refused_in_little_memory() -> None:
    seal = new_seal("")
    bomb = zlib.compress(bytes(200_000_000))
    sealed = seal.close(bytes((Kind.ROWS,)) + bomb, number=0, is_last=True)
    data = seal.header + (len(sealed) | 1 << 31).to_bytes(4, "big") + sealed
    tracemalloc.start()
    with pytest.raises(DamagedBackup, match="cannot be unpacked"):
        read(data, "")
    assert tracemalloc.get_traced_memory()[1] < 160_000_000
    tracemalloc.stop()
    assert seal.header.startswith(MAGIC)
