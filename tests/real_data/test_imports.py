"""Real statements go through the API and its jobs, and come out as an independent reading has them."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest

from core.config import Settings
from core.database import Database
from tests.api.calls import assert_totals_are_right, new_import, read
from tests.cast import register
from tests.real_data.files import FIREFLY, path_of
from tests.real_data.statement_files import (
    EURO,
    MINIMAL,
    MULTI,
    NUBANK,
    Movement,
    movements_of,
)
from workers.long_jobs import CONNECTIONS, work_off_long
from workers.runtime import Runtime
from workers.tasks.imports import COMMITTING, READING, UNDOING

FILES = (EURO, NUBANK, MINIMAL, MULTI, FIREFLY)


@pytest.fixture
def builder(settings: Settings) -> Iterator[Runtime]:
    runtime = Runtime(settings, {}, connections=CONNECTIONS)
    yield runtime
    runtime.close()


@pytest.fixture
def me(client: httpx.Client) -> Iterator[httpx.Client]:
    with register(client, "importer", timezone="Europe/Amsterdam") as person:
        yield person.client


def preview(me: httpx.Client, builder: Runtime, name: str) -> dict[str, Any]:
    asked = new_import(me, path_of(name).read_bytes())
    assert work_off_long(builder, READING) == 1
    return read(me, f"/v1/imports/{asked['id']}")


def commit(me: httpx.Client, builder: Runtime, import_id: str) -> dict[str, Any]:
    assert me.post(f"/v1/imports/{import_id}/commit").status_code == 202
    assert work_off_long(builder, COMMITTING) == 1
    return read(me, f"/v1/imports/{import_id}")


def minor(amount: str) -> int:
    return int(amount.replace(".", ""))


def recorded(me: httpx.Client) -> list[Movement]:
    found = [
        Movement(date.fromisoformat(one["spent_on"]), one["currency"], minor(one["amount"]))
        for one in read(me, "/v1/expenses", source="import", limit=200)["items"]
    ]
    return sorted(found)


@pytest.mark.parametrize("name", FILES)
def test_a_statement_comes_out_as_it_stands(
    me: httpx.Client, builder: Runtime, database: Database, name: str
) -> None:
    expected = movements_of(name)
    shown = preview(me, builder, name)
    assert (shown["state"], shown["problems"], shown["duplicates"]) == ("preview", 0, 0), shown
    assert shown["rows"] == len(expected)
    assert (shown["first_day"], shown["last_day"]) == (str(expected[0].day), str(expected[-1].day))
    for total in shown["sums"]:
        own = [one.minor for one in expected if one.currency == total["currency"]]
        assert minor(total["spent"]) == sum(one for one in own if one > 0)
        assert minor(total["received"]) == -sum(one for one in own if one < 0)
    done = commit(me, builder, shown["id"])
    assert (done["state"], done["committed"]) == ("succeeded", len(expected))
    assert recorded(me) == expected
    assert_totals_are_right(database)


@pytest.mark.parametrize("name", FILES)
def test_a_statement_that_comes_again_brings_nothing(
    me: httpx.Client, builder: Runtime, database: Database, name: str
) -> None:
    expected = movements_of(name)
    first = commit(me, builder, preview(me, builder, name)["id"])
    again = preview(me, builder, name)
    assert (again["duplicates"], again["chosen"]) == (len(expected), 0)
    assert commit(me, builder, again["id"])["committed"] == 0
    assert recorded(me) == expected
    assert me.delete(f"/v1/imports/{first['id']}").status_code == 202
    assert work_off_long(builder, UNDOING) == 1
    assert recorded(me) == []
    assert_totals_are_right(database)


def test_all_of_them_together_are_told_apart(me: httpx.Client, builder: Runtime, database: Database) -> None:
    everything = Counter[Movement]()
    for name in FILES:
        commit(me, builder, preview(me, builder, name)["id"])
        everything += Counter(movements_of(name))
    assert Counter(recorded(me)) == everything
    assert_totals_are_right(database)
