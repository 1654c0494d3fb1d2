"""Signed links to files: whoever has one may fetch the file until it runs out, without logging in.

A link says until when it holds and whose the file is, and proves both with an HMAC (SHA-256, with a key of
its own) over these and the path. All is compared as it was written, so no other text passes for it.
"""

import base64
import hmac
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from core.errors import NotFound
from core.security import derive_key, fingerprint

LINK_LIFETIME = timedelta(hours=1)
"""Enough for a large file over a slow line, begun anew once or twice; the owner can ask for another link."""

NOBODY = UUID(int=0)


class Downloads:
    """Makes and reads the links of one installation."""

    def __init__(self, secret: str, public_url: str) -> None:
        self._key = derive_key(secret, "downloads")
        self._base = public_url.rstrip("/")

    def link(self, path: str, *, user_id: UUID, expires_at: datetime) -> str:
        """An absolute URL of the path, such as `/v1/exports/…/download`, until the full second before."""
        expires = str(int(expires_at.timestamp()))
        query = urlencode({"expires": expires, "signature": self._sign(path, user_id, expires)})
        return f"{self._base}{path}?{query}"

    def owner(self, path: str, *, expires: str, signature: str, now: datetime) -> UUID:
        """Whose file a link leads to.

        Raises:
            NotFound: it is none of ours, or has run out.
        """
        if not all(part.isascii() for part in (path, expires, signature)):
            raise NotFound("no such file")
        user_id = _owner_in(signature)
        signed = self._sign(path, user_id, expires)
        if not hmac.compare_digest(signed, signature) or int(expires) <= now.timestamp():
            raise NotFound("no such file")
        return user_id

    def _sign(self, path: str, user_id: UUID, expires: str) -> str:
        """64 characters: the id and the proof are 48 bytes, so none of their bits is spare."""
        proof = fingerprint(self._key, path.encode(), user_id.bytes, expires.encode())
        return base64.urlsafe_b64encode(user_id.bytes + proof).decode()


def _owner_in(signature: str) -> UUID:
    """Whose a signature says that the file is; nobody's if it says nothing. It is worth nothing unchecked."""
    try:
        return UUID(bytes=base64.urlsafe_b64decode(signature)[:16])
    except ValueError:
        return NOBODY
