"""Whose work this is: the ids that stand in each log line of it, and go along with what it asks for.

A request has one id; a job, which does the rows of many at a time, has those of all. They travel in a column
of the outbox, so a request is found again in the lines of the workers and the gateways.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import uuid4

from structlog.contextvars import bind_contextvars, bound_contextvars

MAX_IDS = 8
"""Of the requests that a row or a line names: a burst folds thousands into one job, and any of them shows the
way. With this many of 64 characters a line stays below what a pipe takes whole (POSIX: 512 bytes at least,
Linux: 4,096)."""

VALID_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What is taken from a client: nothing that could end a line, a field or a pattern."""


@dataclass(frozen=True, slots=True)
class _Origins:
    """The requests behind the work of this context: by the key of a job as far as known, or of all."""

    of_all: str | None = None
    by_key: Mapping[str, str | None] = field(default_factory=dict)


_NOBODY = _Origins()
_origins: ContextVar[_Origins] = ContextVar("origins", default=_NOBODY)


def begin_request(given_id: str | None) -> str:
    """The id of a request from here on, in all its lines: the client's if it is valid, or a new one."""
    is_valid = given_id is not None and VALID_ID.fullmatch(given_id) is not None
    request_id = given_id if given_id is not None and is_valid else uuid4().hex
    bind_contextvars(request_id=request_id)
    _origins.set(_Origins(request_id))
    return request_id


def request_ids_of(key: str) -> str | None:
    """The ids, with spaces between them, of the requests behind what is now done for this key."""
    origins = _origins.get()
    return origins.by_key.get(key, origins.of_all)


def current_request_ids() -> list[str]:
    """Of the requests behind what is done now."""
    return (_origins.get().of_all or "").split()


@contextmanager
def on_behalf_of(by_key: Mapping[str, str | None]) -> Iterator[None]:
    """Work for several keys at a time, each with the ids of its requests; the lines name them all."""
    of_all = joined(by_key.values())
    token = _origins.set(_Origins(of_all, by_key))
    try:
        if of_all is None:
            yield
        else:
            with bound_contextvars(request_ids=of_all.split()):
                yield
    finally:
        _origins.reset(token)


def joined(some: Iterable[str | None]) -> str | None:
    """The ids of several, each once, at most `MAX_IDS`."""
    ids: dict[str, None] = {}
    for one in some:
        if one is not None:
            ids.update(dict.fromkeys(one.split()))
        if len(ids) >= MAX_IDS:
            break
    return " ".join(list(ids)[:MAX_IDS]) or None
