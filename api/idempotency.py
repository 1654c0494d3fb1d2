"""`Idempotency-Key`: the same POST twice has one effect and one answer."""

import re
from collections.abc import Callable
from uuid import UUID

from falcon.asgi import Request
from sqlalchemy.orm import Session

from api.answers import Answer
from api.problems import InvalidHeader
from core.errors import Conflict, FieldError
from core.security import fingerprint
from core.services.idempotency import KeyedRequest, StoredAnswer, claim_keys, store_answers

KEY = re.compile(r"[\x21-\x7e]{1,255}")
"""Visible ASCII, as in draft-ietf-httpapi-idempotency-key-header; any UUID or hash fits."""


def keyed_request(req: Request, owner_id: UUID, fingerprint_key: bytes) -> KeyedRequest | None:
    """The request's identity; None when it carries no key. Its body must have been read."""
    key = req.get_header("Idempotency-Key")
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise InvalidHeader(FieldError("Idempotency-Key", "1 to 255 visible ASCII characters"))
    body: bytes = getattr(req.context, "body", b"")
    digest = fingerprint(fingerprint_key, req.method.encode(), req.relative_uri.encode(), body)
    return KeyedRequest(owner_id, key, digest)


def answer_once(session: Session, request: KeyedRequest, service: Callable[[Session], Answer]) -> Answer:
    """The stored answer of an earlier request with this key, or the service's, stored for the next one."""
    claim = claim_keys(session, [request])[0]
    if isinstance(claim, Conflict):
        raise claim
    if claim is not None:
        return repeated(claim)
    answer = service(session)
    store_answers(session, [(request, to_be_stored(answer))])
    return answer


def repeated(stored: StoredAnswer) -> Answer:
    return Answer(stored.status, stored.body, stored.location, stored.etag)


def to_be_stored(answer: Answer) -> StoredAnswer:
    return StoredAnswer(answer.status, answer.body, answer.location, answer.etag)
