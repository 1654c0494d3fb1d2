"""Replay what two people shared against a running system, as two new accounts of their own.

    python -m tests.real_data.replay splitwise --api http://127.0.0.1:8000

The one invites the other to a group by mail, which has to go into a folder, as it does by default. Balances
are compared with the file's on the way; the first difference ends it.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from email import message_from_bytes
from email.policy import default
from functools import partial
from pathlib import Path

import httpx
import pytest

from core.ids import new_id
from tests.api.groups import accept, address_of, invite
from tests.cast import Person, http_client
from tests.processes import eventually
from tests.real_data.group_files import Entry, spliit_entries, splitwise_entries
from tests.real_data.group_replay import GroupReplay, replaying
from tests.real_data.loading import decimal_text

FILES: dict[str, tuple[Callable[[], list[Entry]], str]] = {
    "splitwise": (splitwise_entries, "MKD"),
    "spliit": (spliit_entries, "EUR"),
}
"""By name: what was shared, and the currency of the group."""

INVITATION = re.compile(r"/v1/invitations/([^/\s]+)/accept")

PATIENCE_S = 30.0
"""For a worker that may be busy with others' jobs."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.real_data.replay")
    parser.add_argument("file", choices=sorted(FILES))
    parser.add_argument("--api", default="http://127.0.0.1:8000", help="where the API listens")
    parser.add_argument("--mails", type=Path, default=Path("var/mail"), help="where the system's mails go")
    given = parser.parse_args(arguments)
    read_file, currency = FILES[given.file]
    try:
        entries = read_file()
    except pytest.skip.Exception as absent:
        sys.exit(str(absent))
    try:
        with http_client(given.api) as client:
            replay_file(client, entries, currency, given.mails)
    except httpx.ConnectError as error:
        sys.exit(f"nothing answers at {given.api}: {error}")


def replay_file(client: httpx.Client, entries: Sequence[Entry], currency: str, mails: Path) -> None:
    """Replay the entries and print what came of it."""
    tail = new_id().hex[-12:]
    with replaying(
        client,
        wait_for_the_worker,
        currency=currency,
        usernames=(f"john-{tail}", f"jane-{tail}"),
        bring_in=partial(bring_in_by_mail, mails),
    ) as replay:
        began = time.monotonic()
        nets = replay.follow(entries)
        seconds = time.monotonic() - began
        repayments = sum(entry.is_repayment for entry in entries)
        print(f"group        {replay.group.id}")
        print(f"rows         {len(entries)}: {len(entries) - repayments} expenses, {repayments} settlements")
        for (person, of_currency), minor in sorted(nets.items()):
            print(f"balance      {replay.people[person].username} {decimal_text(minor)} {of_currency}")
        print(f"compared     {replay.comparisons} times, equal each time")
        print(f"took         {seconds:.1f} s, {len(entries) / seconds:.0f} rows a second")


def bring_in_by_mail(mails: Path, inviter: Person, group_id: str, person: Person) -> str:
    """Have the person invited and accept with the token of the mail; answers the id of the member."""
    address = address_of(person)
    invite(inviter, group_id, address)
    found: list[str] = []

    def has_come() -> bool:
        found.extend(_tokens_for(mails, address))
        return bool(found)

    if not eventually(has_come, within_s=PATIENCE_S):
        sys.exit(f"no invitation has come to {mails}: see --mails")
    accepted = accept(person, found[0])
    assert accepted.status_code == 200, accepted.text
    return next(member["id"] for member in accepted.json()["members"] if member["is_me"])


def _tokens_for(mails: Path, address: str) -> list[str]:
    texts = (message_from_bytes(path.read_bytes(), policy=default) for path in mails.glob("*.eml"))
    letters = [text.get_body().get_content() for text in texts if text["To"] == address]
    return [match[1] for letter in letters if (match := INVITATION.search(letter))]


def wait_for_the_worker(replay: GroupReplay) -> None:
    """Until everything that was written is in the balances."""

    def has_caught_up() -> bool:
        return bool(replay.read("/balances")["pending"] == 0)

    assert eventually(has_caught_up, within_s=PATIENCE_S), "no worker splits what was written"


if __name__ == "__main__":
    main()
