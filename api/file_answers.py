"""Files as answers: whole or a range of them (RFC 9110, section 14), cached by their hash, never run."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import BinaryIO

import falcon
from falcon.asgi import Request, Response

from core.errors import NotFound
from core.files import FileStore

PIECE_BYTES = 256 * 1024
"""Read at a time, off the event loop."""

RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.IGNORECASE)

FILE_HEADERS = {
    # Whatever a file says it is, a browser must not run it (nor guess, see `api/headers.py`).
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}


async def send_file(
    req: Request, resp: Response, files: FileStore, *, sha256: str, size: int, name: str, media_type: str
) -> None:
    """Answer with the file: 200, 206 for a range of it, 304 when the client has it, 416 for no range of it.

    Raises:
        NotFound: the file is gone.
    """
    resp.set_headers(FILE_HEADERS)
    resp.etag = sha256
    resp.content_type = media_type
    resp.downloadable_as = name
    if any(tag == "*" or tag == sha256 for tag in req.if_none_match or ()):
        resp.status = falcon.HTTP_304
        return
    first, last = 0, size - 1
    asked = _range(req, sha256, size)
    if asked is not None:
        first, last = asked
        if first > last:
            raise falcon.HTTPRangeNotSatisfiable(size, description="the file has no such bytes")
        resp.status = falcon.HTTP_206
        resp.set_header("Content-Range", f"bytes {first}-{last}/{size}")
    try:
        file = await asyncio.to_thread(files.open, sha256)
    except FileNotFoundError as error:
        raise NotFound("the file is gone") from error
    resp.content_length = last - first + 1
    resp.stream = _pieces(file, first, last - first + 1)


def _range(req: Request, sha256: str, size: int) -> tuple[int, int] | None:
    """First and last byte; the first beyond the last where nothing can be given, None for the whole.

    Several ranges, and anything malformed, count as none (section 14.2 lets a server do so).
    """
    condition = req.get_header("If-Range")
    if condition is not None and condition != f'"{sha256}"':
        return None
    match = RANGE.fullmatch((req.get_header("Range") or "").strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return max(size - int(last), 0), size - 1 if int(last) else -1
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) if last else size - 1, size - 1)


async def _pieces(file: BinaryIO, first: int, length: int) -> AsyncIterator[bytes]:
    try:
        await asyncio.to_thread(file.seek, first)
        while length and (piece := await asyncio.to_thread(file.read, min(PIECE_BYTES, length))):
            length -= len(piece)
            yield piece
    finally:
        file.close()
