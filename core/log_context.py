"""Whose work this is: the ids that stand in each log line of it, and go along with what it asks for.

A request has one id; a job, which does the rows of many at a time, has those of all. They travel in a column
of the outbox, so a request is found again in the lines of the workers and the gateways.

One context variable holds all fields: setting and reading one for each, as `structlog.contextvars` does,
would cost every request more than the rest of this module.
"""

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

MAX_IDS = 8
"""Of the requests that a row or a line names: a burst folds thousands into one job, and any of them shows the
way. With this many of 64 characters a line stays below what a pipe takes whole (4,096 bytes on Linux)."""

VALID_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What is taken from a client: nothing that could end a line, a field or a pattern."""


@dataclass(frozen=True, slots=True)
class _Work:
    """Fields of each line, and the ids of the requests behind it: by the key of a job as far as known."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    of_all: str | None = None
    by_key: Mapping[str, str | None] = field(default_factory=dict)


_work: ContextVar[_Work] = ContextVar("work", default=_Work())  # noqa: B039 - it is never changed


def begin_request(given_id: str | None) -> str:
    """The id of a request from here on, in all its lines: the client's if it is valid, or a new one."""
    if given_id is None or VALID_ID.fullmatch(given_id) is None:
        # In the form of a trace's id (W3C Trace Context). No secret, so not from the system: that takes time.
        given_id = f"{random.getrandbits(128):032x}"
    _work.set(_Work({"request_id": given_id}, given_id))
    return given_id


def begin_task(name: str) -> None:
    """Forget what was before: each line from here on says which task it is of."""
    _work.set(_Work({"task": name}))


def add_fields(**fields: Any) -> None:
    """Have more said in each line of what is under way."""
    work = _work.get()
    _work.set(_Work({**work.fields, **fields}, work.of_all, work.by_key))


def context_fields() -> Mapping[str, Any]:
    """What is said in each line of what is under way."""
    return _work.get().fields


def request_ids_of(key: str) -> str | None:
    """The ids, with spaces between them, of the requests behind what is now done for this key."""
    work = _work.get()
    return work.by_key.get(key, work.of_all)


def current_request_ids() -> list[str]:
    """Of the requests behind what is done now."""
    return (_work.get().of_all or "").split()


@contextmanager
def on_behalf_of(by_key: Mapping[str, str | None]) -> Iterator[None]:
    """Work for several keys at a time, each with the ids of its requests; the lines name them all."""
    of_all = joined(by_key.values())
    fields = dict(_work.get().fields)
    if of_all is not None:
        fields["request_ids"] = of_all.split()
    token = _work.set(_Work(fields, of_all, by_key))
    try:
        yield
    finally:
        _work.reset(token)


def joined(some: Iterable[str | None]) -> str | None:
    """The ids of several, each once, at most `MAX_IDS`."""
    ids: dict[str, None] = {}
    for one in some:
        if one is not None:
            ids.update(dict.fromkeys(one.split()))
        if len(ids) >= MAX_IDS:
            break
    return " ".join(list(ids)[:MAX_IDS]) or None
