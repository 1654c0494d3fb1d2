"""What the tests of imports into groups share: files, and a worker for the jobs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from core.config import Settings
from core.database import Database
from core.job_names import SPLIT_GROUP_EXPENSE
from core.queries.ledger_invariants import ledger_differences, list_group_ids
from core.rules.money import parse_amount
from tests.api.calls import assert_totals_are_right, read
from tests.api.groups import MadeGroup
from workers.app import JOBS
from workers.long_jobs import CONNECTIONS, work_off_long
from workers.runtime import Runtime
from workers.tasks.imports import COMMITTING, READING, UNDOING

Balances = Counter[tuple[str, str]]
"""Minor units by the name of the member and currency; who is even is left out."""


@dataclass(frozen=True)
class GroupImporting:
    """The group, and a worker who does what is asked for when the test says so."""

    database: Database
    runtime: Runtime

    def upload(
        self, client: httpx.Client, group: MadeGroup, content: bytes, name: str = "export.csv", **fields: Any
    ) -> httpx.Response:
        data = {"group_id": group.id, **fields}
        return client.post("/v1/imports", files={"file": (name, content)}, data=data)

    def preview(
        self, client: httpx.Client, group: MadeGroup, content: bytes, **fields: Any
    ) -> dict[str, Any]:
        answer = self.upload(client, group, content, **fields)
        assert answer.status_code == 202, answer.text
        assert self.read_waiting() == 1
        return read(client, answer.headers["Location"])

    def read_waiting(self) -> int:
        """Answers how many files there were."""
        return work_off_long(self.runtime, READING)

    def commit(self, client: httpx.Client, import_id: str, **body: Any) -> dict[str, Any]:
        answer = client.post(f"/v1/imports/{import_id}/commit", json=body)
        assert answer.status_code == 202, answer.text
        assert work_off_long(self.runtime, COMMITTING) == 1
        return read(client, f"/v1/imports/{import_id}")

    def load(self, client: httpx.Client, group: MadeGroup, content: bytes, **body: Any) -> dict[str, Any]:
        """Preview, commit, and have all of it posted."""
        done = self.commit(client, self.preview(client, group, content)["id"], **body)
        assert done["state"] == "succeeded"
        self.post()
        return done

    def undo(self, client: httpx.Client, import_id: str) -> dict[str, Any]:
        answer = client.delete(f"/v1/imports/{import_id}")
        assert answer.status_code == 202, answer.text
        assert work_off_long(self.runtime, UNDOING) == 1
        return read(client, f"/v1/imports/{import_id}")

    def post(self) -> None:
        """Have all expenses posted, and what follows done."""
        self.runtime.drain(SPLIT_GROUP_EXPENSE)

    def balances(self, client: httpx.Client, group: MadeGroup) -> Balances:
        answer = read(client, f"{group.path}/balances")
        assert answer["pending"] == 0
        names = {one["id"]: one["display_name"] for one in read(client, f"{group.path}/members")["items"]}
        return Counter(
            {
                (names[one["member_id"]], one["currency"]): parse_amount(one["amount"], one["currency"])
                for one in answer["balances"]
            }
        )

    def assert_sound(self) -> None:
        """No ledger and no total has anything that cannot be explained."""
        with self.database.reading() as session:
            for group_id in list_group_ids(session):
                assert ledger_differences(session, group_id=group_id) == []
        assert_totals_are_right(self.database)


@contextmanager
def group_importing(settings: Settings, database: Database) -> Iterator[GroupImporting]:
    runtime = Runtime(settings, JOBS, connections=CONNECTIONS)
    try:
        yield GroupImporting(database, runtime)
    finally:
        runtime.close()


def splitwise(rows: Iterable[Sequence[str]], people: Sequence[str] = ("John Doe", "Jane Doe")) -> bytes:
    """An export: day, description, category, cost, currency, and what each has paid more than their share."""
    header = ("Date", "Description", "Category", "Cost", "Currency", *people)
    return "\n".join(",".join(row) for row in (header, *rows)).encode()


def file_balances(shown: dict[str, Any], renamed: Mapping[str, str] | None = None) -> Balances:
    """What the preview says that the file comes to, by the name in the file or what the member is called."""
    found: Balances = Counter()
    for person in shown["people"]:
        name = (renamed or {}).get(person["name"], person["name"])
        for one in person["balances"]:
            found[name, one["currency"]] = parse_amount(one["amount"], one["currency"])
    return found
