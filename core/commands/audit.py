"""Prove the audit trails, by themselves or against what the log has said of them."""

import argparse
import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from core.commands.databases import opened_database
from core.config import load_settings
from core.errors import NotFound
from core.queries.audit import audited_users, find_link, trails_of_nobody, verify_chain
from core.queries.users import list_user_ids

FIELD = {
    "user": re.compile(r"user(?:_id)?\W+([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"),
    "seq": re.compile(r"seq\W+(\d{1,18})\b"),
    "hash": re.compile(r"hash\W+([0-9a-f]{64})"),
}
"""Of a line of `audit.head`, whatever the log's format and the order of its fields."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", type=UUID, help="only this user's trail")
    parser.add_argument(
        "--heads", type=Path, help="a log with lines of `audit.head`; each must still be in its trail"
    )


def run(arguments: argparse.Namespace) -> int:
    """Answers 1 if anything is wrong."""
    with opened_database(load_settings(os.environ)) as database, database.reading_rows() as rows:
        broken = _verify(rows, arguments.user)
        if arguments.heads is not None:
            broken += _compare(rows, arguments.heads)
    return 1 if broken else 0


def _verify(rows: Connection, user_id: UUID | None) -> int:
    user_ids = audited_users(rows)
    if user_id is not None:
        if user_id not in user_ids:
            raise NotFound(f"nobody has the id {user_id}, nor a trail")
        user_ids = [user_id]
    events = broken = 0
    proofs = (verify_chain(rows, user_id=one) for one in user_ids)
    for proof in chain(proofs, trails_of_nobody(rows) if user_id is None else ()):
        events += proof.events
        if proof.problem is not None:
            broken += 1
            print(f"{proof.user_id}: {proof.problem}")
    print(f"{events} events of {len(user_ids)} users: {f'{broken} trails broken' if broken else 'intact'}")
    return broken


def _compare(rows: Connection, log: Path) -> int:
    """Whether each link that the log tells of is where it was."""
    here = set(list_user_ids(rows))
    told = missing = gone = 0
    for user_id, seq, digest in _heads(log):
        told += 1
        if user_id not in here:
            gone += 1
        elif find_link(rows, user_id=user_id, seq=seq) != digest:
            missing += 1
            print(f"{user_id}: event {seq} is not the one that the log tells of")
    if not told:
        # The wrong file, or one that was rotated: nothing was compared.
        raise NotFound(f"{log}: no line of `audit.head` in it")
    of_deleted = f", {gone} of accounts that are gone" if gone else ""
    print(f"{told} links in the log: {f'{missing} not in their trails' if missing else 'intact'}{of_deleted}")
    return missing


def _heads(log: Path) -> Iterator[tuple[UUID, int, bytes]]:
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                found = {name: pattern.search(line) for name, pattern in FIELD.items()}
                user, seq, digest = (found[name] for name in ("user", "seq", "hash"))
                if "audit.head" in line and user and seq and digest:
                    yield UUID(user[1]), int(seq[1]), bytes.fromhex(digest[1])
    except OSError as error:
        raise NotFound(f"{log}: {error.strerror}") from error
