"""A login takes as much work for an account that is not there as for one that is.

That the times are alike is measured in `bench/logins.py`; here is what makes them so.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import bcrypt
import httpx
import pytest
from sqlalchemy import Engine, event

from core.database import Database
from tests.api.accounts import deactivate
from tests.api.throttling import log_in
from tests.cast import Cast
from tests.conftest import TEST_BCRYPT_COST


@dataclass
class Work:
    """What was done for a request."""

    statements: list[str] = field(default_factory=list)
    checks: list[bytes] = field(default_factory=list)
    """The hashes that passwords were checked against, up to their cost."""


@contextmanager
def observed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """All statements and password checks of this process meanwhile; they are still made."""
    work, lock = Work(), threading.Lock()
    check = bcrypt.checkpw

    def note_check(password: bytes, password_hash: bytes) -> bool:
        with lock:
            work.checks.append(password_hash[:7])
        return check(password, password_hash)

    def note_statement(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        with lock:
            work.statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note_statement)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(bcrypt, "checkpw", note_check)
            yield work
    finally:
        event.remove(Engine, "before_cursor_execute", note_statement)


def test_a_wrong_password_costs_the_same_queries_and_one_check_whoever_it_is(
    cast: Cast, client: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    deactivate(database, cast.member.id)
    cases = {
        "known": ("owner", "wrong password"),
        "known by mail": ("owner@example.com", "wrong password"),
        "inactive": ("member", "wrong password"),
        "unknown": ("nobody", "wrong password"),
        "unknown by mail": ("nobody@example.com", "wrong password"),
        "known, too long": ("owner", "x" * 100),
        "unknown, too long": ("nobody", "x" * 100),
    }
    found = {}
    for name, (login, password) in cases.items():
        with observed(monkeypatch) as work:
            answer = log_in(client, login, password)
        assert answer.status_code == 401
        found[name] = (work, answer.text)
    for name, one in found.items():
        # Names and addresses are looked up in columns of their own.
        expected = found["known by mail" if "by mail" in name else "known"]
        assert one == expected, name
        assert one[0].checks == [f"$2b${TEST_BCRYPT_COST:02d}$".encode()]
        assert len(one[0].statements) > 0
