"""The builder is killed while it commits: everything is there once; and undone, nothing is."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import httpx

from core.job_names import COMMIT_IMPORT
from tests.api.calls import new_import, read
from tests.cast import register
from tests.system.stored import Stored
from tests.system.system import API, BEAT, BUILDER, WORKER, System

ROWS = 20_000

IMPORT_S = 120.0
"""For each step of an import, on a machine that does much else at the time."""


def statement() -> bytes:
    """Every payee is another one."""
    first = date(2024, 1, 1)
    lines = [
        f"{first + timedelta(days=number % 700)},-{number % 90 + 1}.{number % 100:02d},Payee {number},Trips"
        for number in range(ROWS)
    ]
    return "\n".join(["Date,Amount,Payee,Category", *lines]).encode()


def test_killed_in_the_middle_it_goes_on_and_nothing_is_there_twice(system: System, stored: Stored) -> None:
    system.start(API, WORKER, BUILDER, BEAT)
    with system.client() as client, register(client, "importer") as importer:
        me = importer.client
        path = f"/v1/imports/{new_import(me, statement())['id']}"
        wait_for(system, me, path, "preview")
        assert me.post(f"{path}/commit").status_code == 202
        kill_midway(system, me, path)
        stored.end_leases(COMMIT_IMPORT)
        system.start(BUILDER)
        done = wait_for(system, me, path, "succeeded")
        assert (done["committed"], done["problems"]) == (ROWS, 0)
        assert stored.expenses_by_payee() == Counter(f"Payee {number}" for number in range(ROWS))
        assert stored.spending_differences() == []
        assert len(read(me, "/v1/notifications", kind="import.finished")["items"]) == 1

        assert me.delete(path).status_code == 202
        wait_for(system, me, path, "undone")
        assert stored.expenses_by_payee() == Counter()
        assert stored.spending_differences() == []
        assert stored.dead_rows() == []


def kill_midway(system: System, me: httpx.Client, path: str) -> None:
    """Kill the builder when some of the rows are recorded."""

    def is_midway() -> bool:
        found = read(me, path)
        assert found["state"] == "committing", "it was done before it could be killed"
        return 0 < found["committed"] < ROWS

    system.wait_until(is_midway, "the import is being committed")
    system.kill(BUILDER)


def wait_for(system: System, me: httpx.Client, path: str, state: str) -> dict[str, Any]:
    system.wait_until(lambda: read(me, path)["state"] == state, f"the import is {state}", within_s=IMPORT_S)
    return read(me, path)
