"""Groups: creating, changing, listing and deleting them, and who may."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, func, insert, select, update

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import Base, Group, GroupActivity, GroupExpense, GroupMember, Settlement, table_of
from core.rules.debts import Transfer
from core.services.group_purge import PURGE_AFTER, purge_groups
from core.services.groups import MAX_GROUPS
from core.services.ledger import Entry, post_entries
from tests.api.calls import problem, read, wrong_fields
from tests.api.groups import MadeGroup, add_name, make_group
from tests.cast import Cast, Person

MISSING = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def test_a_group_is_created_with_its_creator_as_owner(cast: Cast) -> None:
    answer = cast.owner.client.post("/v1/groups", json={"name": "  Flat "})
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    group = answer.json()
    assert answer.headers["Location"] == f"/v1/groups/{group['id']}"
    assert read(cast.owner.client, answer.headers["Location"]) == group
    [member] = group["members"]
    assert (member["display_name"], member["role"], member["is_me"]) == ("owner", "owner", True)
    settings = {name: group[name] for name in group.keys() - {"id", "members", "created_at", "updated_at"}}
    assert settings == {
        "name": "Flat",
        "currency": "EUR",
        "simplify_debts": True,
        "default_split": {"kind": "equal", "member_ids": []},
        "default_category": None,
        "settlement_days": 7,
        "debt_reminder_days": None,
    }


def test_a_group_is_in_the_users_currency_unless_it_says_another(me: httpx.Client) -> None:
    me.patch("/v1/me", json={"currency": "CHF"})
    assert me.post("/v1/groups", json={"name": "One"}).json()["currency"] == "CHF"
    assert me.post("/v1/groups", json={"name": "Two", "currency": "USD"}).json()["currency"] == "USD"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": " \u3000"}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"currency": "XXX"}, "/currency"),
        ({"currency": "eur"}, "/currency"),
        ({"simplify_debts": "yes"}, "/simplify_debts"),
        ({"default_category": " "}, "/default_category"),
        ({"settlement_days": 0}, "/settlement_days"),
        ({"settlement_days": 366}, "/settlement_days"),
        ({"debt_reminder_days": 0}, "/debt_reminder_days"),
        ({"debt_reminder_days": 91}, "/debt_reminder_days"),
        ({"debt_reminder_days": 1.5}, "/debt_reminder_days"),
        ({"default_split": {"kind": "exact", "shares": []}}, "/default_split"),
        ({"default_split": {"kind": "equal", "member_ids": [MISSING]}}, "/default_split/member_ids/0"),
        (
            {"default_split": {"kind": "shares", "shares": [{"member_id": MISSING, "value": "1"}]}},
            "/default_split/shares/0/member_id",
        ),
        (
            {"default_split": {"kind": "percent", "shares": [{"member_id": MISSING, "value": "99"}]}},
            "/default_split/shares",
        ),
        (
            {"default_split": {"kind": "shares", "shares": [{"member_id": MISSING, "value": "x"}]}},
            "/default_split/shares/0/value",
        ),
        ({"nmae": "Flat"}, "/nmae"),
    ],
)
def test_what_is_wrong_is_named(me: httpx.Client, fields: dict[str, Any], pointer: str) -> None:
    answer = me.post("/v1/groups", json={"name": "Fine", **fields})
    found = wrong_fields(answer)
    assert found[0] == pointer or (pointer == "/default_split" and found[0].startswith(pointer))
    group = me.post("/v1/groups", json={"name": "Another"}).json()
    assert wrong_fields(me.patch(f"/v1/groups/{group['id']}", json=fields)) == found


def test_a_change_shows_counts_the_version_and_is_noted(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner, cast.member)
    split = {
        "kind": "percent",
        "shares": [
            {"member_id": group.member(cast.owner), "value": "60.5"},
            {"member_id": group.member(cast.member), "value": 39.5},
        ],
    }
    changes = {"name": "House", "simplify_debts": False, "default_split": split, "default_category": "Home"}
    changed = cast.owner.client.patch(group.path, json=changes, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"'), changed.text
    assert changed.json()["default_split"]["shares"][1]["value"] == "39.5"
    assert (changed.json()["name"], changed.json()["simplify_debts"]) == ("House", False)
    assert read(cast.member.client, group.path)["default_split"] == changed.json()["default_split"]
    unchanged = cast.owner.client.patch(group.path, json={"name": " House "})
    assert (unchanged.status_code, unchanged.headers["ETag"]) == (200, '"2"')
    assert problem(cast.owner.client.patch(group.path, json={"name": "x"}, headers={"If-Match": '"1"'}), 412)
    assert activity_kinds(database) == [
        "group.created",
        "invitation.sent",
        "member.joined",
        "group.changed",
    ]


def test_a_default_split_loses_whoever_leaves(cast: Cast) -> None:
    group = make_group(cast.owner, cast.member, cast.stranger)
    ids = [group.member(one) for one in (cast.owner, cast.member, cast.stranger)]
    for kind, values, expected in (
        ("shares", ("2", "1", "1"), {"kind": "shares", "values": ["2", "1"]}),
        ("percent", ("50", "50"), {"kind": "equal", "values": None}),
    ):
        shares = [{"member_id": one, "value": value} for one, value in zip(ids, values, strict=False)]
        split = {"kind": kind, "shares": shares}
        assert cast.owner.client.patch(group.path, json={"default_split": split}).status_code == 200
        leaver = cast.stranger if kind == "shares" else cast.member
        left = leaver.client.delete(f"{group.path}/members/{group.member(leaver)}")
        assert left.status_code == 204, left.text
        now = read(cast.owner.client, group.path)["default_split"]
        assert now["kind"] == expected["kind"]
        assert (kind == "percent") or [one["value"] for one in now["shares"]] == expected["values"]


def test_pages_show_every_group_once_the_oldest_first(cast: Cast) -> None:
    made = [make_group(cast.owner, name=f"Group {n}").id for n in range(5)]
    make_group(cast.member)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = read(cast.owner.client, "/v1/groups", **query)
        seen += [group["id"] for group in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == made
    assert wrong_fields(cast.owner.client.get("/v1/groups", params={"cursor": "x"})) == ["cursor"]


def test_nobody_is_in_more_groups_than_the_limit(cast: Cast, database: Database) -> None:
    now = clock.now()
    ids = [new_id() for _ in range(MAX_GROUPS)]
    stamps = {"version": 1, "created_at": now, "updated_at": now}
    group = {
        "name": "Many",
        "currency": "EUR",
        "simplify_debts": True,
        "default_split": {},
        "settlement_days": 7,
    }
    member = {"user_id": cast.owner.id, "display_name": "O", "role": "owner", "mirrors_expenses": True}
    with database.transaction() as session:
        session.execute(insert(Group), [{**group, **stamps, "id": one} for one in ids])
        rows = [{**member, **stamps, "group_id": one, "id": new_id()} for one in ids]
        session.execute(insert(GroupMember), rows)
    refused = cast.owner.client.post("/v1/groups", json={"name": "One more"})
    assert str(MAX_GROUPS) in problem(refused, 409)["detail"]
    with database.transaction() as session:
        session.execute(update(GroupMember).where(GroupMember.group_id == ids[0]).values(left_at=now))
        session.execute(update(Group).where(Group.id == ids[1]).values(deleted_at=now))
    for status in (201, 201, 409):
        assert cast.owner.client.post("/v1/groups", json={"name": "More"}).status_code == status


def test_a_repeated_key_creates_one_group(me: httpx.Client) -> None:
    answers = [
        me.post("/v1/groups", json={"name": "Once"}, headers={"Idempotency-Key": "one"}) for _ in range(2)
    ]
    assert answers[0].content == answers[1].content
    assert len(read(me, "/v1/groups")["items"]) == 1


def test_owners_delete_admins_change_and_others_read(cast: Cast) -> None:
    group = make_group(cast.owner, cast.member)
    theirs = f"{group.path}/members/{group.member(cast.member)}"
    for role, patched, deleted in (("viewer", 403, 403), ("member", 403, 403), ("admin", 200, 403)):
        assert cast.owner.client.patch(theirs, json={"role": role}).status_code == 200
        client = cast.member.client
        assert client.get(group.path).status_code == 200
        assert client.patch(group.path, json={"settlement_days": 3}).status_code == patched
        assert client.delete(group.path).status_code == deleted
    assert cast.owner.client.patch(theirs, json={"role": "owner"}).status_code == 200
    assert cast.member.client.delete(group.path, headers={"If-Match": '"1"'}).status_code == 412
    assert cast.member.client.delete(group.path).status_code == 204
    for person in (cast.owner, cast.member):
        assert problem(person.client.get(group.path), 404)
        assert read(person.client, "/v1/groups")["items"] == []


def test_admins_say_whether_the_group_reminds_of_debts(cast: Cast) -> None:
    group = make_group(cast.owner, cast.member, debt_reminder_days=14)
    for person in (cast.owner, cast.member):
        assert read(person.client, group.path)["debt_reminder_days"] == 14
    changed = cast.owner.client.patch(group.path, json={"debt_reminder_days": 30})
    assert (changed.status_code, changed.json()["debt_reminder_days"]) == (200, 30)
    assert problem(cast.member.client.patch(group.path, json={"debt_reminder_days": 1}), 403)
    assert problem(cast.stranger.client.patch(group.path, json={"debt_reminder_days": 1}), 404)
    again = cast.owner.client.patch(group.path, json={"debt_reminder_days": None})
    assert (again.status_code, again.json()["debt_reminder_days"]) == (200, None)
    kept = cast.owner.client.patch(group.path, json={"name": "House"})
    assert kept.json()["debt_reminder_days"] is None


def test_a_group_in_which_something_is_open_is_not_deleted(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner, cast.member)
    for opened, word in ((owe, "owes 12.34 EUR"), (pend, "being split"), (dispute, "disputed")):
        undo = opened(database, group, cast.owner, cast.member)
        detail = problem(cast.owner.client.delete(group.path), 409)["detail"]
        assert word in detail or word.replace("owes", "is owed") in detail
        undo()
    assert cast.owner.client.delete(group.path).status_code == 204


@pytest.mark.parametrize("batch", [1, 1_000])
def test_a_deleted_group_is_purged_with_all_its_rows_later(
    cast: Cast, database: Database, batch: int
) -> None:
    gone, kept = (make_group(cast.owner, cast.member) for _ in range(2))
    add_name(cast.owner, gone, "Grace")
    for group in (gone, kept):
        owe(database, group, cast.owner, cast.member)()
        pend(database, group, cast.owner, cast.member)()
        dispute(database, group, cast.owner, cast.member)
    with database.transaction() as session:
        just = clock.now() - PURGE_AFTER
        session.execute(update(Group).where(Group.id == UUID(gone.id)).values(deleted_at=just))
        assert rows_of(database, gone)["postings"] == 4
    for moment, is_there in ((timedelta(seconds=30), True), (timedelta(0), False)):
        with database.transaction() as session:
            at = clock.now() - PURGE_AFTER + moment
            session.execute(update(Group).where(Group.id == UUID(gone.id)).values(deleted_at=at))
        while purge_once(database, batch):
            pass
        assert any(rows_of(database, gone).values()) == is_there
    assert rows_of(database, kept)["postings"] == 4
    assert cast.owner.client.get(kept.path).status_code == 200


def purge_once(database: Database, batch: int) -> bool:
    with database.transaction() as session:
        return purge_groups(session, batch=batch)


def rows_of(database: Database, group: MadeGroup) -> dict[str, int]:
    with database.reading() as session:
        return {
            table.name: session.scalar(
                select(func.count()).select_from(table).where(table.c.group_id == UUID(group.id))
            )
            or 0
            for table in Base.metadata.sorted_tables
            if "group_id" in table.columns
        }


def activity_kinds(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(GroupActivity.kind).order_by(GroupActivity.id)))


def owe(database: Database, group: MadeGroup, creditor: Person, debtor: Person) -> Any:
    """The debtor owes the creditor 12.34; answers what takes it back."""

    def entry(number: int, payer: str, receiver: str) -> Entry:
        return Entry(
            group_id=UUID(group.id),
            source_kind="expense",
            source_id=source_id,
            number=number,
            currency="EUR",
            debts=(Transfer(UUID(payer), UUID(receiver), 1234),),
        )

    def post(one: Entry) -> None:
        with database.transaction() as session:
            post_entries(session, [one])

    source_id = new_id()
    post(entry(1, group.member(debtor), group.member(creditor)))
    return lambda: post(entry(2, group.member(creditor), group.member(debtor)))


def pend(database: Database, group: MadeGroup, author: Person, _other: Person) -> Any:
    """An expense that is yet to be posted."""
    now, expense_id = clock.now(), new_id()
    columns = table_of(GroupExpense).columns
    row = {
        "group_id": UUID(group.id),
        "id": expense_id,
        "amount_minor": 100,
        "currency": "EUR",
        "description": "Bread",
        "spent_on": now.date(),
        "split": {},
        "resolved": {},
        "created_by": UUID(group.member(author)),
        "updated_by": UUID(group.member(author)),
        "version": 1,
        "posted_version": 0,
        "entry_count": 0,
        "created_at": now,
        "updated_at": now,
    }
    with database.transaction() as session:
        session.execute(insert(GroupExpense), {name: value for name, value in row.items() if name in columns})

    def done() -> None:
        with database.transaction() as session:
            session.execute(
                update(GroupExpense).where(GroupExpense.id == expense_id).values(posted_version=1)
            )

    return done


def dispute(database: Database, group: MadeGroup, payer: Person, receiver: Person) -> Any:
    """A settlement that its receiver disputes."""
    now, settlement_id = clock.now(), new_id()
    row = {
        "group_id": UUID(group.id),
        "id": settlement_id,
        "from_member_id": UUID(group.member(payer)),
        "to_member_id": UUID(group.member(receiver)),
        "amount_minor": 100,
        "currency": "EUR",
        "overpaid_minor": 0,
        "paid_on": now.date(),
        "state": "disputed",
        "recorded_by": UUID(group.member(payer)),
        "entry_count": 0,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    with database.transaction() as session:
        session.execute(insert(Settlement), row)

    def done() -> None:
        with database.transaction() as session:
            session.execute(delete(Settlement).where(Settlement.id == settlement_id))

    return done
