"""Files that clients send: multipart forms, read piece by piece to the disk."""

import asyncio
import unicodedata
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import falcon
from falcon.asgi import Request
from falcon.asgi.multipart import BodyPart
from falcon.asgi.reader import BufferedReader
from falcon.media.multipart import MultipartFormHandler

from api.authentication import identify_again
from core.errors import invalid
from core.files import FileStore, StoredFile

MULTIPART = "multipart/form-data"
FIELD = "file"

PIECE_BYTES = 256 * 1024
"""Written at a time, off the event loop."""

HEAD_BYTES = 4_096
"""The beginning of a file, which tells its type."""

MAX_OTHER_BYTES = 16 * 1024 * 1024
"""Of a form beside its file: other fields, heads of parts, and what is read ahead, up to 8 MiB by Falcon."""

MAX_NAME_CHARACTERS = 200

NAMELESS = "file"

MaxBytes = int | Callable[[bytes], int]
"""Of a file; or how many it may have that begins so."""

FORMS = MultipartFormHandler()


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is stored; `head` is its beginning, `fields` the texts that stood beside it."""

    file: StoredFile
    name: str
    head: bytes
    fields: Mapping[str, str]


async def read_upload(
    req: Request, files: FileStore, *, max_bytes: MaxBytes, fields: Mapping[str, int] | None = None
) -> Upload:
    """Store the one `file` of the form. Its hash stands for the body where requests are told apart.

    `max_bytes` may depend on how the file begins. `fields` are texts that may stand beside it, each with its
    most bytes; those that are empty are left out.

    Raises:
        InvalidInput: the form is malformed, has no file, more than one, or another field.
    """
    if (req.content_type or "").partition(";")[0].strip().lower() != MULTIPART:
        raise falcon.HTTPUnsupportedMediaType(description=f"send {MULTIPART}")
    form = _Form(files, max_bytes, fields or {})
    try:
        stream: Any = BufferedReader(form.bounded(req.stream))
        async for part in await FORMS.deserialize_async(stream, req.content_type, req.content_length):
            await form.read(part)
    except (falcon.MultipartParseError, falcon.HTTPInvalidHeader, falcon.MediaMalformedError) as error:
        raise invalid("", f"malformed multipart form: {error.description}") from error
    await identify_again(req)
    found = form.upload()
    parts = (found.file.sha256, found.name, *(f"{name} {text}" for name, text in sorted(form.texts.items())))
    req.context.body = "\n".join(parts).encode()
    return found


class _Form:
    """What has been read of a form."""

    def __init__(self, files: FileStore, max_bytes: MaxBytes, fields: Mapping[str, int]) -> None:
        self._files, self._max_bytes, self._fields = files, max_bytes, fields
        self._file: tuple[StoredFile, str, bytes] | None = None
        self._stored_bytes = 0
        self.texts: dict[str, str] = {}

    async def bounded(self, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The body, as long as most of it is the file: what stands before and between parts has no limit."""
        received = 0
        async for chunk in body:
            received += len(chunk)
            if received > self._stored_bytes + MAX_OTHER_BYTES:
                raise falcon.HTTPContentTooLarge(description="there is too much beside the file")
            yield chunk

    async def read(self, part: BodyPart) -> None:
        name = part.name or ""
        if name == FIELD:
            if self._file is not None:
                raise invalid(f"/{FIELD}", "send one file at a time")
            self._file = await self._store(part)
        elif name in self._fields:
            if name in self.texts:
                raise invalid(f"/{name}", "is given twice")
            self.texts[name] = await _text(part, name, self._fields[name])
        else:
            known = ", ".join(f"`{one}`" for one in (FIELD, *self._fields))
            raise invalid(f"/{name}", f"unknown field; send {known}")

    async def _store(self, part: BodyPart) -> tuple[StoredFile, str, bytes]:
        """The stored file, its name and its beginning."""
        filename = part.filename
        head = b""
        draft = await asyncio.to_thread(self._files.draft)
        with draft:
            while piece := await part.stream.read(PIECE_BYTES):
                head = head or piece[:HEAD_BYTES]
                limit = self._max_bytes if isinstance(self._max_bytes, int) else self._max_bytes(head)
                if draft.size + len(piece) > limit:
                    raise falcon.HTTPContentTooLarge(description=f"a file may have {limit} bytes")
                await asyncio.to_thread(draft.write, piece)
                self._stored_bytes = draft.size
            if not draft.size:
                raise invalid(f"/{FIELD}", "is empty")
            return await asyncio.to_thread(draft.keep), clean_name(filename), head

    def upload(self) -> Upload:
        if self._file is None:
            raise invalid(f"/{FIELD}", "is missing")
        return Upload(*self._file, {name: text for name, text in self.texts.items() if text})


async def _text(part: BodyPart, name: str, max_bytes: int) -> str:
    data = await part.stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise invalid(f"/{name}", f"may have {max_bytes} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise invalid(f"/{name}", "is not UTF-8") from error


def clean_name(name: str | None) -> str:
    """The name without folders and without characters that do not show; its end, with the type, is kept."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")
    return " ".join(shown.split()).strip(".")[-MAX_NAME_CHARACTERS:] or NAMELESS
