"""What a resource answers, made in the worker thread so that the event loop only sends it."""

import re
from typing import Any

import msgspec
from falcon import code_to_http_status
from falcon.asgi import Request, Response

JSON = "application/json"

ETAG = re.compile(r'(W/)?"([^"]*)"')

encoder = msgspec.json.Encoder()


class Answer(msgspec.Struct, frozen=True):
    """A finished answer; idempotency keys store and repeat it as it is."""

    status: int
    body: bytes | None = None
    location: str | None = None
    etag: str | None = None

    def send(self, resp: Response) -> None:
        resp.status = code_to_http_status(self.status)
        if self.body is not None:
            resp.content_type = JSON
            resp.data = self.body
        if self.location is not None:
            resp.location = self.location
        if self.etag is not None:
            resp.set_header("ETag", self.etag)


def ok(view: Any, *, version: int | None = None) -> Answer:
    return Answer(200, encoder.encode(view), etag=_etag(version))


def created(view: Any, *, location: str | None = None, version: int | None = None) -> Answer:
    return Answer(201, encoder.encode(view), location=location, etag=_etag(version))


def accepted(view: Any = None, *, location: str | None = None, version: int | None = None) -> Answer:
    """Work that was asked for; `location` is where to see how far it is."""
    body = None if view is None else encoder.encode(view)
    return Answer(202, body, location=location, etag=_etag(version))


def no_content() -> Answer:
    return Answer(204)


def _etag(version: int | None) -> str | None:
    return None if version is None else f'"{version}"'


def expected_versions(req: Request) -> frozenset[int] | None:
    """The versions that `If-Match` allows (RFC 9110, section 13.1.1); None when any will do.

    A weak or foreign tag matches nothing, as `If-Match` compares strongly.
    """
    header = req.get_header("If-Match")
    if header is None or header.strip() == "*":
        return None
    tags = [tag for weak, tag in ETAG.findall(header) if not weak]
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 10)
