"""The audit trail: what gets into it, who reads it, and that no change of it goes unnoticed."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import falcon.asgi
import httpx
import pytest
from falcon import inspect
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from api.app import create_app
from api.audit import ACTIONS, NOT_RECORDED
from core.config import Settings
from core.database import Database
from core.logging import AUDIT
from core.models import AuditEvent, AuditHead, User
from core.queries.audit import ChainProof, verify_chain
from core.services.invariant_checks import prove
from tests.api.calls import another, new_expense, one_of_each, problem, read
from tests.cast import PASSWORD, Cast, Person
from tests.forging import forge

SECRET_NOTE = "for the ransom"


def trail(person: Person, **query: Any) -> list[dict[str, Any]]:
    """The oldest first."""
    items: list[dict[str, Any]] = read(person.client, "/v1/me/activity", **query)["items"]
    return items[::-1]


def actions(person: Person) -> list[str]:
    return [event["action"] for event in trail(person, limit=200)]


def proof_of(database: Database, user_id: UUID) -> ChainProof:
    with database.snapshot_rows() as rows:
        return verify_chain(rows, user_id=user_id)


def make_admin(database: Database, person: Person) -> None:
    with database.transaction() as session:
        session.execute(update(User).where(User.id == person.id).values(is_admin=True))


def test_every_writing_route_has_an_action_or_a_reason_to_have_none(settings: Settings) -> None:
    app: falcon.asgi.App[Any, Any] = create_app(settings)
    routes = {
        (method.method, inspect_template(route.path))
        for route in inspect.inspect_routes(app)
        for method in route.methods
        if not method.internal and method.method not in ("GET", "HEAD", "OPTIONS")
    }
    assert routes == ACTIONS.keys() | NOT_RECORDED.keys()
    assert not ACTIONS.keys() & NOT_RECORDED.keys()


def inspect_template(path: str) -> str:
    return re.sub(r":[^}]*", "", path)


def test_the_trail_says_who_did_what_to_what_from_where(cast: Cast) -> None:
    me = cast.owner
    expense = new_expense(me.client, note=SECRET_NOTE)
    me.client.patch(f"/v1/expenses/{expense['id']}", json={"amount": "12.00", "note": None})
    me.client.delete(f"/v1/expenses/{expense['id']}")
    found = trail(me)
    assert [event["action"] for event in found] == [
        "account.created", "session.opened", "expense.created", "expense.changed", "expense.deleted",
    ]  # fmt: skip
    assert [event["seq"] for event in found] == [1, 2, 3, 4, 5]
    created, changed, _ = found[2:]
    assert {event["object_id"] for event in found[2:]} == {expense["id"]}
    session_id = read(me.client, "/v1/me/sessions")["items"][0]["id"]
    assert (created["by"], created["session_id"], created["ip_address"]) == ("you", session_id, "127.0.0.1")
    assert changed["changes"] == {"amount": None, "note": None}, "names of fields, and no amounts"


def test_what_was_refused_or_repeated_is_not_in_it(cast: Cast) -> None:
    me = cast.owner.client
    key = {"Idempotency-Key": "once"}
    for _ in range(2):
        assert me.post("/v1/expenses", json={"amount": "1.00"}, headers=key).status_code == 201
    assert me.post("/v1/expenses", json={"amount": "1.234"}).status_code == 422
    assert me.delete(f"/v1/expenses/{cast.owner.id}").status_code == 404
    assert me.delete(f"/v1/me/sessions/{cast.owner.id}").status_code == 404
    assert actions(cast.owner)[2:] == ["expense.created"]


def test_one_reads_ones_own_only(cast: Cast) -> None:
    new_expense(cast.owner.client)
    assert actions(cast.stranger) == ["account.created", "session.opened"]
    assert problem(cast.stranger.client.get("/v1/admin/audit"), 403)


def test_it_is_read_page_by_page(cast: Cast) -> None:
    for _ in range(5):
        new_expense(cast.owner.client)
    seen, cursor = [], None
    while True:
        page = read(cast.owner.client, "/v1/me/activity", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [event["seq"] for event in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_logins_failed_codes_and_reused_tokens_are_in_it(cast: Cast, client: httpx.Client) -> None:
    old = cast.owner.tokens["refresh_token"]
    for _ in range(2):
        client.post("/v1/auth/refresh", json={"refresh_token": old})
    client.post("/v1/auth/login", json={"login": "owner", "password": PASSWORD})
    answer = client.post("/v1/auth/login", json={"login": "owner", "password": PASSWORD}).json()
    mine = {"Authorization": f"Bearer {answer['access_token']}"}
    items = client.get("/v1/me/activity", headers=mine).json()["items"][::-1]
    assert [(event["action"], event["by"]) for event in items] == [
        ("account.created", "you"),
        ("session.opened", "you"),
        ("session.ended_by_reuse", "unknown"),
        ("session.opened", "you"),
        ("session.opened", "you"),
    ]


def test_administrators_read_all_of_it_and_no_amounts_or_notes(cast: Cast, database: Database) -> None:
    make_admin(database, cast.member)
    expense = new_expense(cast.owner.client, "1234.56", note=SECRET_NOTE, payee="Blackmailer")
    cast.owner.client.patch(f"/v1/expenses/{expense['id']}", json={"amount": "6543.21"})
    answer = cast.member.client.get("/v1/admin/audit", params={"limit": 200})
    for private in ("1234.56", "6543.21", SECRET_NOTE, "Blackmailer", PASSWORD, "example.com"):
        assert private not in answer.text
    items = answer.json()["items"]
    assert len(items) == 8
    newest = items[0]
    assert newest["user_id"] == newest["actor_id"] == str(cast.owner.id)
    assert (newest["action"], newest["object_id"]) == ("expense.changed", expense["id"])
    mine = read(cast.member.client, "/v1/admin/audit", user_id=str(cast.owner.id), action="expense.created")
    assert [event["seq"] for event in mine["items"]] == [3]
    first = read(cast.member.client, "/v1/admin/audit", limit=3)
    rest = read(cast.member.client, "/v1/admin/audit", limit=200, cursor=first["next_cursor"])
    assert [*first["items"], *rest["items"]] == items


def test_an_intact_trail_is_proved(cast: Cast, database: Database) -> None:
    make_admin(database, cast.member)
    for _ in range(3):
        new_expense(cast.owner.client)
    found = read(cast.member.client, "/v1/admin/audit/verify")
    assert (found["is_intact"], found["users"], found["events"]) == (True, 3, 9)
    assert (found["broken"], found["next_cursor"]) == ([], None)
    one = read(cast.member.client, "/v1/admin/audit/verify", user_id=str(cast.owner.id))
    assert (one["users"], one["events"]) == (1, 5)


def test_a_long_trail_is_proved_piece_by_piece(
    cast: Cast, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.resources.administration.EVENTS_AT_ONCE", 3)
    make_admin(database, cast.member)
    for _ in range(6):
        new_expense(cast.owner.client)

    def proved(**query: str) -> list[dict[str, Any]]:
        pages, cursor = list[dict[str, Any]](), {}
        while not pages or cursor["cursor"]:
            pages.append(read(cast.member.client, "/v1/admin/audit/verify", **query, **cursor))
            cursor = {"cursor": pages[-1]["next_cursor"]}
        return pages

    assert [page["events"] for page in proved()] == [3, 3, 3, 3, 0], "the last one only sees that it is whole"
    assert [page["events"] for page in proved(user_id=str(cast.owner.id))] == [3, 3, 2]
    is_it = (AuditEvent.user_id == cast.owner.id, AuditEvent.seq == 5)
    forge(database, lambda session: session.execute(update(AuditEvent).where(*is_it).values(actor_id=None)))
    broken = [one for page in proved() for one in page["broken"]]
    assert [(one["user_id"], one["intact_events"]) for one in broken] == [(str(cast.owner.id), 4)]


@pytest.mark.parametrize(
    ("values", "seq"),
    [
        ({"action": "expense.deleted"}, 3),
        ({"actor_id": UUID(int=7)}, 3),
        ({"object_id": None}, 3),
        ({"details": "{}"}, 3),
        ({"hash": b"h" * 32}, 3),
        ({"hash": b"h" * 32}, 5),
    ],
)
def test_a_changed_event_is_found(cast: Cast, database: Database, values: dict[str, Any], seq: int) -> None:
    for _ in range(3):
        new_expense(cast.owner.client)
    is_it = (AuditEvent.user_id == cast.owner.id, AuditEvent.seq == seq)
    forge(database, lambda session: session.execute(update(AuditEvent).where(*is_it).values(**values)))
    proof = proof_of(database, cast.owner.id)
    assert proof.events == seq - 1
    assert str(seq) in (proof.problem or "")


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_a_removed_event_is_found_at_the_end_as_well(cast: Cast, database: Database, seq: int) -> None:
    for _ in range(3):
        new_expense(cast.owner.client)
    is_it = (AuditEvent.user_id == cast.owner.id, AuditEvent.seq == seq)
    forge(database, lambda session: session.execute(delete(AuditEvent).where(*is_it)))
    assert proof_of(database, cast.owner.id).problem is not None


def test_moved_added_and_wholly_removed_events_are_found(cast: Cast, database: Database) -> None:
    make_admin(database, cast.owner)
    for person in (cast.owner, cast.member, cast.stranger):
        for _ in range(3):
            new_expense(person.client)

    def swap(session: Any) -> None:
        for old, new in ((3, 99), (4, 3), (99, 4)):
            is_it = (AuditEvent.user_id == cast.owner.id, AuditEvent.seq == old)
            session.execute(update(AuditEvent).where(*is_it).values(seq=new))

    def add(session: Any) -> None:
        theirs = select(AuditEvent).where(AuditEvent.user_id == cast.member.id).order_by(AuditEvent.seq)
        last = session.scalars(theirs).all()[-1]
        values = {column.name: getattr(last, column.name) for column in last.__table__.columns}
        session.add(AuditEvent(**{**values, "seq": last.seq + 1}))
        session.flush()  # before its trigger is back

    forge(database, swap)
    forge(database, add)
    forge(
        database,
        lambda session: session.execute(delete(AuditEvent).where(AuditEvent.user_id == cast.stranger.id)),
    )
    for person in (cast.owner, cast.member, cast.stranger):
        assert proof_of(database, person.id).problem is not None
    found = read(cast.owner.client, "/v1/admin/audit/verify")
    assert {one["user_id"] for one in found["broken"]} == {
        str(person.id) for person in (cast.owner, cast.member, cast.stranger)
    }
    assert not found["is_intact"]


def test_the_database_refuses_to_change_or_shorten_it(cast: Cast, database: Database) -> None:
    columns = "user_id, seq, at, actor_id, action, object_id, details, hash"
    replaced = columns.replace("action", "'nothing'")
    elsewhere = f"{columns.replace('seq', 'seq + 9')} FROM audit_events"
    by_dialect = {
        "postgresql": ["TRUNCATE audit_events, audit_heads"],
        "sqlite": [
            f"INSERT OR REPLACE INTO audit_events SELECT {replaced} FROM audit_events",
            f"INSERT OR REPLACE INTO audit_events (rowid, {columns}) SELECT rowid, {elsewhere}",
        ],
    }
    for statement in (
        update(AuditEvent).values(action="nothing"),
        delete(AuditEvent),
        delete(AuditHead),
        *map(text, by_dialect[database.dialect]),
    ):
        with pytest.raises(DBAPIError, match="append-only"), database.transaction() as session:
            session.execute(statement)
    assert proof_of(database, cast.owner.id) == ChainProof(cast.owner.id, 2)


def test_a_trail_whose_head_is_gone_is_looked_at_all_the_same(cast: Cast, database: Database) -> None:
    make_admin(database, cast.member)
    its_head = AuditHead.user_id == cast.owner.id
    forge(database, lambda session: session.execute(delete(AuditHead).where(its_head)))
    found = read(cast.member.client, "/v1/admin/audit/verify")
    broken = [(one["user_id"], one["problem"]) for one in found["broken"]]
    assert broken == [(str(cast.owner.id), "the head is missing")]
    with database.reading() as session:
        proof = prove(session, name="audit_trail")
    assert (proof.failures, "the head is missing" in proof.details[0]) == (1, True)


def test_a_trail_of_what_is_no_id_is_told_of_on_the_last_page(
    cast: Cast, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect == "postgresql":
        pytest.skip("it has a type for ids")
    monkeypatch.setattr("api.resources.administration.USERS_AT_ONCE", 2)
    make_admin(database, cast.member)
    columns = "seq, at, actor_id, action, object_id, details, hash FROM audit_events WHERE seq = 1 LIMIT 1"
    with database.transaction() as session:
        session.execute(text(f"INSERT INTO audit_events SELECT 'nobody', {columns}"))
    first = read(cast.member.client, "/v1/admin/audit/verify")
    assert first["is_intact"]
    last = read(cast.member.client, "/v1/admin/audit/verify", cursor=first["next_cursor"])
    broken = [(one["user_id"], one["problem"]) for one in last["broken"]]
    assert broken == [(str(UUID(int=0)), "'nobody' is no user's id")]


def test_the_log_is_not_told_of_everyday_things_and_of_all_others(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger=AUDIT)
    new_expense(cast.owner.client)
    settings = read(cast.owner.client, "/v1/me/notification-settings")
    wanted = {name: settings[name] for name in ("kinds", "quiet_hours")}
    assert cast.owner.client.put("/v1/me/notification-settings", json=wanted).status_code == 200
    assert "expense.created" not in caplog.text
    assert "action=notification_settings.changed" in caplog.text


def test_failed_logins_are_logged_and_no_login_is(
    cast: Cast, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger=AUDIT)
    for login in ("OWNER", "my password by mistake", "My Password by mistake", "another"):
        answer = client.post("/v1/auth/login", json={"login": login, "password": "wrong horse battery"})
        assert answer.status_code == 401
    known, *unknown = [r.msg for r in caplog.records if r.getMessage().startswith("login.failed")]
    assert (known["user_id"], known["ip"], known["unknown_login"]) == (cast.owner.id, "127.0.0.1", None)
    assert [line["user_id"] for line in unknown] == [None] * 3
    first, again, other = (line["unknown_login"] for line in unknown)
    assert first == again != other
    assert "mistake" not in caplog.text.lower()


def deletions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("account.deleted")]


def test_the_log_keeps_who_deleted_an_account_and_the_end_of_its_trail(
    cast: Cast, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger=AUDIT)
    make_admin(database, cast.member)
    with database.reading() as session:
        ends = {head.user_id: (head.seq, head.hash.hex()) for head in session.scalars(select(AuditHead))}
    answer = cast.owner.client.request("DELETE", "/v1/me", json={"password": PASSWORD})
    assert answer.status_code == 204
    assert cast.member.client.delete(f"/v1/admin/users/{cast.stranger.id}").status_code == 204
    assert deletions(caplog) == [
        f"account.deleted user_id={user_id} actor={actor} seq={ends[user_id][0]} hash={ends[user_id][1]}"
        for user_id, actor in ((cast.owner.id, "self"), (cast.stranger.id, cast.member.id))
    ]


def test_many_at_once_make_one_chain(cast: Cast, database: Database) -> None:
    clients = [another(cast.owner.client) for _ in range(8)]

    def write(n: int) -> int:
        if n % 2:
            return clients[n % 8].post("/v1/expenses", json={"amount": "1.00"}).status_code
        return clients[n % 8].post("/v1/budgets", json={"name": f"B{n}", "amount": "9"}).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(write, range(40))) == {201}
    for one in clients:
        one.close()
    assert proof_of(database, cast.owner.id) == ChainProof(cast.owner.id, 42)


def test_it_goes_with_the_account_and_nothing_of_it_stays(cast: Cast, database: Database) -> None:
    new_expense(cast.owner.client)
    answer = cast.owner.client.request("DELETE", "/v1/me", json={"password": PASSWORD})
    assert answer.status_code == 204
    with database.reading() as session:
        for model in (AuditEvent, AuditHead):
            assert set(session.scalars(select(model.user_id))) == {cast.member.id, cast.stranger.id}


def test_everything_that_is_made_names_what_was_made(cast: Cast, database: Database) -> None:
    ids = one_of_each(cast.owner.client, database)
    made = {event["action"]: event["object_id"] for event in trail(cast.owner, limit=200)}
    nouns = {
        "category.created": "category_id", "budget.created": "budget_id", "rule.created": "rule_id",
        "api_key.created": "key_id", "attachment.created": "attachment_id", "import.created": "import_id",
        "recurring_expense.created": "recurring_id", "export.created": "export_id",
        "report.created": "report_id", "webhook.created": "webhook_id", "channel.created": "channel_id",
        "member.created": "member_id", "invitation.created": "invitation_id",
        "group_expense.created": "group_expense_id", "settlement.created": "settlement_id",
    }  # fmt: skip
    assert {action: made.get(action) for action in nouns} == {a: ids[name] for a, name in nouns.items()}
