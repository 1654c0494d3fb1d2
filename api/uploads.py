"""Files that clients send: multipart forms, read piece by piece to the disk."""

import asyncio
import unicodedata
from dataclasses import dataclass

import falcon
from falcon.asgi import Request
from falcon.asgi.multipart import BodyPart
from falcon.media.multipart import MultipartFormHandler

from core.errors import invalid
from core.files import FileStore, StoredFile

MULTIPART = "multipart/form-data"
FIELD = "file"

PIECE_BYTES = 256 * 1024
"""Written at a time, off the event loop."""

HEAD_BYTES = 4_096
"""The beginning of a file, which tells its type."""

MAX_NAME_CHARACTERS = 200

NAMELESS = "file"

FORMS = MultipartFormHandler()


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is stored; `head` is its beginning."""

    file: StoredFile
    name: str
    head: bytes


async def read_upload(req: Request, files: FileStore, *, max_bytes: int) -> Upload:
    """Store the one `file` of the form. Its hash stands for the body where requests are told apart.

    Raises:
        InvalidInput: the form is malformed, has no file, more than one, or another field.
    """
    if (req.content_type or "").partition(";")[0].strip().lower() != MULTIPART:
        raise falcon.HTTPUnsupportedMediaType(description=f"send {MULTIPART}")
    found: Upload | None = None
    try:
        form = await FORMS.deserialize_async(req.stream, req.content_type, req.content_length)
        async for part in form:
            if part.name != FIELD:
                raise invalid(f"/{part.name or ''}", f"unknown field; send `{FIELD}`")
            if found is not None:
                raise invalid(f"/{FIELD}", "send one file at a time")
            found = await _store(part, files, max_bytes)
    except (falcon.MultipartParseError, falcon.HTTPInvalidHeader, falcon.MediaMalformedError) as error:
        raise invalid("", f"malformed multipart form: {error.description}") from error
    if found is None:
        raise invalid(f"/{FIELD}", "is missing")
    req.context.body = f"{found.file.sha256} {found.name}".encode()
    return found


async def _store(part: BodyPart, files: FileStore, max_bytes: int) -> Upload:
    filename = part.filename
    head = b""
    draft = await asyncio.to_thread(files.draft)
    with draft:
        while piece := await part.stream.read(PIECE_BYTES):
            head = head or piece[:HEAD_BYTES]
            if draft.size + len(piece) > max_bytes:
                raise falcon.HTTPContentTooLarge(description=f"a file may have {max_bytes} bytes")
            await asyncio.to_thread(draft.write, piece)
        if not draft.size:
            raise invalid(f"/{FIELD}", "is empty")
        return Upload(await asyncio.to_thread(draft.keep), clean_name(filename), head)


def clean_name(name: str | None) -> str:
    """The name without folders and without characters that do not show; its end, with the type, is kept."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")
    return " ".join(shown.split()).strip(".")[-MAX_NAME_CHARACTERS:] or NAMELESS
