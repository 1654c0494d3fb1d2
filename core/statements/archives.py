"""Zip files from strangers, opened only once their directory promises to be small.

What the directory says is no more than a promise: `open_member` holds to it while reading.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from core.statements.limits import MAX_FILE_BYTES
from core.statements.refusals import UnreadableFile

MAX_MEMBERS = 2_000
"""A workbook has some twenty, and a few for each sheet and picture."""

MAX_DIRECTORY_BYTES = 512 * 1024
"""Read as a whole before anything else is known: a hundred bytes for each of the members, and more."""

MAX_UNPACKED_BYTES = 160 * 1024 * 1024
"""Of all members: 200,000 rows of ten cells take a hundred million."""

MAX_RATIO = 100
"""Unpacked to packed, beyond `SMALL_BYTES`. Sheets come to 10 or 20, and bombs to 1,000."""

SMALL_BYTES = 1024 * 1024
CHUNK_BYTES = 256 * 1024

_END = struct.Struct("<4s4H2LH")
_END_MAGIC, _ZIP64_MAGIC = b"PK\5\6", b"PK\6\7"
_ZIP64_LOCATOR_BYTES = 20
_MAX_COMMENT_BYTES = 65_535

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
"""What the library raises for damaged, encrypted and exotic files."""


@contextmanager
def open_archive(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open a zip file after checking what it would unpack to.

    Raises:
        UnreadableFile: it is beyond a limit, damaged or encrypted.
    """
    _check_directory(file)
    try:
        archive = zipfile.ZipFile(file)
    except ZIP_ERRORS as error:
        raise UnreadableFile("is a damaged zip") from error
    with archive:
        _check_members(archive.infolist())
        yield archive


def read_member(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """A member in pieces.

    Raises:
        UnreadableFile: it is not there or damaged, or there is more than the directory says.
    """
    try:
        info = archive.getinfo(name)
        size = 0
        with archive.open(info) as member:
            while piece := member.read(CHUNK_BYTES):
                size += len(piece)
                if size > min(info.file_size, MAX_UNPACKED_BYTES):
                    raise UnreadableFile("is a zip that holds more than it says")
                yield piece
    except ZIP_ERRORS as error:
        raise UnreadableFile("is a damaged zip") from error


def _check_directory(file: BinaryIO) -> None:
    """That the directory is small enough to be read at all, found where the library looks for it."""
    size = file.seek(0, io.SEEK_END)
    if size > MAX_FILE_BYTES:
        raise UnreadableFile(f"is larger than {MAX_FILE_BYTES} bytes")
    start = max(size - _MAX_COMMENT_BYTES - _END.size - _ZIP64_LOCATOR_BYTES, 0)
    file.seek(start)
    tail = file.read()
    end = len(tail) - _END.size
    if not (tail[end:].startswith(_END_MAGIC) and tail.endswith(b"\0\0")):
        end = tail.rfind(_END_MAGIC)
    if end < 0 or len(tail) - end < _END.size:
        raise UnreadableFile("is a damaged zip")
    if tail[max(end - _ZIP64_LOCATOR_BYTES, 0) :].startswith(_ZIP64_MAGIC):
        raise UnreadableFile("is a zip for files of many gigabytes")
    directory_bytes = _END.unpack_from(tail, end)[5]
    if directory_bytes > MAX_DIRECTORY_BYTES:
        raise UnreadableFile("is a zip with too many files in it")


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise UnreadableFile(f"is a zip with more than {MAX_MEMBERS} files in it")
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise UnreadableFile(f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    for member in members:
        if member.file_size > max(SMALL_BYTES, MAX_RATIO * member.compress_size):
            raise UnreadableFile("unpacks to far more than it is, as no table does")
        if member.flag_bits & 1:
            raise UnreadableFile("is protected by a password")
