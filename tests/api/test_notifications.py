"""The inbox over HTTP: both directions, filters, reading and unreading."""

from typing import Any

import httpx
import pytest

from core.database import Database
from core.services.notifications import NewNotification, notify
from tests.api.calls import problem, read, wrong_fields
from tests.cast import Cast, Person

INBOX = "/v1/notifications"
READ_ALL = "/v1/notifications/read-all"


@pytest.fixture
def me(cast: Cast, database: Database) -> httpx.Client:
    """The owner, with five notifications of two kinds by turns."""
    send(database, cast.owner, 5)
    return cast.owner.client


def send(database: Database, person: Person, count: int) -> None:
    kinds = ("budget.threshold", "budget.recovered")
    with database.transaction() as session:
        notify(session, [NewNotification(person.id, kinds[n % 2], {"n": n}) for n in range(count)])


def numbers(client: httpx.Client, **query: Any) -> list[int]:
    return [one["seq"] for one in read(client, INBOX, **query)["items"]]


def all_pages(client: httpx.Client, **query: Any) -> list[list[int]]:
    pages, cursor = [], None
    while True:
        page = read(client, INBOX, **query, **({"cursor": cursor} if cursor else {}))
        pages.append([one["seq"] for one in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            return pages


def test_the_inbox_shows_the_newest_first(me: httpx.Client) -> None:
    assert numbers(me) == [5, 4, 3, 2, 1]
    newest = read(me, INBOX, limit=1)["items"][0]
    assert newest.pop("created_at").endswith("Z")
    assert newest == {"seq": 5, "kind": "budget.threshold", "read_at": None, "data": {"n": 4}}


def test_after_a_number_the_oldest_come_first(me: httpx.Client) -> None:
    assert numbers(me, after=2) == [3, 4, 5]
    assert numbers(me, after=0) == [1, 2, 3, 4, 5]
    assert numbers(me, after=5) == numbers(me, after=2**63 - 1) == []


def test_pages_go_both_ways(me: httpx.Client) -> None:
    assert all_pages(me, limit=2) == [[5, 4], [3, 2], [1]]
    assert all_pages(me, limit=2, after=1) == [[2, 3], [4, 5]]
    assert all_pages(me, limit=1, unread=True, kind="budget.recovered") == [[4], [2]]
    assert all_pages(me, limit=1, after=1, kind="budget.threshold") == [[3], [5]]


def test_pages_do_not_shift_when_more_arrives(me: httpx.Client, cast: Cast, database: Database) -> None:
    page = read(me, INBOX, limit=2)
    send(database, cast.owner, 3)
    assert numbers(me, limit=2, cursor=page["next_cursor"]) == [3, 2]


def test_notifications_are_filtered_by_kind_and_by_whether_they_are_read(me: httpx.Client) -> None:
    me.patch(f"{INBOX}/2", json={"is_read": True})
    me.patch(f"{INBOX}/3", json={"is_read": True})
    assert numbers(me, unread=True) == [5, 4, 1]
    assert numbers(me, unread=False) == [3, 2]
    assert numbers(me, kind="budget.recovered") == [4, 2]
    assert numbers(me, kind="budget.recovered", unread=True, after=1) == [4]
    assert numbers(me, kind="digest.ready") == []


def test_a_notification_is_read_once_and_can_be_unread(me: httpx.Client) -> None:
    first = me.patch(f"{INBOX}/2", json={"is_read": True})
    assert (first.status_code, first.json()["seq"]) == (200, 2)
    assert first.json()["read_at"] is not None
    assert me.patch(f"{INBOX}/2", json={"is_read": True}).json() == first.json()
    assert me.patch(f"{INBOX}/2", json={"is_read": False}).json()["read_at"] is None
    assert numbers(me, unread=True) == [5, 4, 3, 2, 1]


def test_all_are_read_at_once_without_any_body(me: httpx.Client) -> None:
    answer = me.post(READ_ALL)
    assert (answer.status_code, answer.json()) == (200, {"updated": 5})
    assert numbers(me, unread=True) == []
    assert me.post(READ_ALL).json() == {"updated": 0}


@pytest.mark.parametrize(
    ("body", "left"),
    [({}, []), ({"up_to": None}, []), ({"up_to": 3}, [5, 4]), ({"up_to": 0}, [5, 4, 3, 2, 1])],
)
def test_all_up_to_a_number_are_read_at_once(me: httpx.Client, body: dict[str, Any], left: list[int]) -> None:
    assert me.post(READ_ALL, json=body).json() == {"updated": 5 - len(left)}
    assert numbers(me, unread=True) == left


def test_what_was_read_before_keeps_its_time(me: httpx.Client) -> None:
    before = me.patch(f"{INBOX}/2", json={"is_read": True}).json()["read_at"]
    assert me.post(READ_ALL).json() == {"updated": 4}
    assert read(me, INBOX, after=1, limit=1)["items"][0]["read_at"] == before


def test_what_is_wrong_is_named(me: httpx.Client) -> None:
    for name, value in [
        ("after", "-1"), ("after", str(2**63)), ("after", "x"), ("limit", "0"), ("limit", "201"),
        ("unread", "perhaps"), ("kind", "x" * 41), ("cursor", "W10"), ("since", "1"),
    ]:  # fmt: skip
        assert wrong_fields(me.get(INBOX, params={name: value})) == [name]
    for body, pointer in [({}, "/is_read"), ({"is_read": 1}, "/is_read"), ({"is_read": True, "n": 1}, "/n")]:
        assert wrong_fields(me.patch(f"{INBOX}/1", json=body)) == [pointer]
    for body, pointer in [({"up_to": -1}, "/up_to"), ({"up_to": "1"}, "/up_to"), ({"upto": 1}, "/upto")]:
        assert wrong_fields(me.post(READ_ALL, json=body)) == [pointer]


def test_numbers_that_do_not_exist_are_not_found(me: httpx.Client) -> None:
    for seq in ("0", "6", "-1", str(2**63 - 1), str(2**63), "1.5"):
        problem(me.patch(f"{INBOX}/{seq}", json={"is_read": True}), 404)


def test_a_stranger_has_an_inbox_of_their_own(cast: Cast, me: httpx.Client) -> None:
    stranger = cast.stranger.client
    assert numbers(stranger) == []
    problem(stranger.patch(f"{INBOX}/1", json={"is_read": True}), 404)
    assert stranger.post(READ_ALL).json() == {"updated": 0}
    assert numbers(me, unread=True) == [5, 4, 3, 2, 1]


def test_the_document_says_that_the_body_may_be_left_out(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert paths["/v1/notifications/read-all"]["post"]["requestBody"]["required"] is False
    assert paths["/v1/notifications/{seq}"]["patch"]["requestBody"]["required"] is True
