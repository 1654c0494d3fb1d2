"""What whoever restarts processes, routes requests or watches is told: `/readyz` and `/metrics`."""

import re
from datetime import timedelta
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, update

from api.resources.health import DEGRADED_DELIVERY_AGE_S
from core import clock
from core.database import Database
from core.ids import new_id
from core.job_names import OUTBOX_JOBS
from core.models import Delivery, OutboxRow, RecurringExpense, User
from core.services.delivery_claims import claim_messages
from core.services.invariant_checks import CHECKS, Proof, keep_proof
from tests.cast import Cast
from tests.core.services.spender import Spender
from tests.workers.outbox import add_user
from tests.workers.outgoing import add_channel, quiet_hours, tell, user_with_mail


def keep(database: Database, name: str, *, age: timedelta = timedelta(), failures: int = 0) -> Proof:
    details = [f"detail {number}" for number in range(failures)]
    proof = Proof(name, clock.now() - age, failures, details=details)
    with database.transaction() as session:
        keep_proof(session, proof)
    return proof


def stage(database: Database, job: str, *, age_s: int, is_dead: bool = False) -> None:
    then = clock.now() - timedelta(seconds=age_s)
    row = {"job": job, "key": "k", "payload": {}, "created_at": then, "available_at": then, "attempts": 0}
    with database.transaction() as session:
        session.execute(insert(OutboxRow), row | {"dead_at": then if is_dead else None})


def ready(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/readyz")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def metrics(client: httpx.Client) -> dict[str, dict[str, float]]:
    """By name, the values by the one label (or "")."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        family.name: {"".join(one.labels.values()): one.value for one in family.samples}
        for family in text_string_to_metric_families(answer.text)
    }


def test_before_the_first_night_nothing_is_known_of_checks(client: httpx.Client) -> None:
    assert ready(client) == {
        "status": "ok", "database": "ok", "redis": "ok", "outbox_age_s": 0.0, "delivery_age_s": 0.0,
        "invariants": {},
    }  # fmt: skip


def test_a_check_that_has_found_something_degrades_but_requests_are_served(
    client: httpx.Client, database: Database
) -> None:
    proof = keep(database, "daily_spending")
    body = ready(client)
    assert body["status"] == "ok"
    assert body["invariants"]["daily_spending"] == {
        "checked_at": proof.checked_at.isoformat().replace("+00:00", "Z"),
        "failures": 0,
        "unproved": 0,
        "is_stale": False,
    }
    keep(database, "daily_spending", failures=2)
    body = ready(client)
    assert (body["status"], body["invariants"]["daily_spending"]["failures"]) == ("degraded", 2)
    assert "detail" not in client.get("/readyz").text
    keep(database, "daily_spending")
    assert ready(client)["status"] == "ok"


def test_checks_that_nobody_makes_any_more_degrade(client: httpx.Client, database: Database) -> None:
    keep(database, "a check of before", age=timedelta(days=400))
    keep(database, "group_ledger", age=timedelta(days=2))
    assert ready(client)["status"] == "ok"
    keep(database, "daily_spending", age=timedelta(days=4))
    body = ready(client)
    assert body["status"] == "degraded"
    assert body["invariants"]["daily_spending"]["is_stale"] is True
    keep(database, "daily_spending")
    assert ready(client)["status"] == "ok"


def test_metrics_tell_of_every_job_and_of_each_check(client: httpx.Client, database: Database) -> None:
    found = metrics(client)
    assert found["outlay_database_up"] == {"": 1.0}
    assert found["outlay_outbox_rows"] == found["outlay_outbox_dead_rows"] == dict.fromkeys(OUTBOX_JOBS, 0.0)
    assert found["outlay_outbox_oldest_seconds"] == {"": 0.0}
    assert found["outlay_invariant_failures"] == {}

    proof = keep(database, "daily_spending", failures=3)
    stage(database, "send_mail", age_s=30)
    stage(database, "send_mail", age_s=20)
    stage(database, "evaluate_budgets", age_s=10, is_dead=True)
    stage(database, "a job of later", age_s=5, is_dead=True)
    found = metrics(client)
    assert found["outlay_invariant_failures"] == {"daily_spending": 3.0}
    assert found["outlay_invariant_unproved"] == {"daily_spending": 0.0}
    assert found["outlay_invariant_checked_timestamp_seconds"]["daily_spending"] == (
        proof.checked_at.timestamp()
    )
    assert (found["outlay_outbox_rows"]["send_mail"], found["outlay_outbox_rows"]["evaluate_budgets"]) == (
        2,
        0,
    )
    assert found["outlay_outbox_dead_rows"]["evaluate_budgets"] == 1
    assert found["outlay_outbox_dead_rows"]["a job of later"] == 1
    assert 30 <= found["outlay_outbox_oldest_seconds"][""] < 60


def test_a_check_that_has_never_ended_is_as_old_as_the_oldest_account(
    client: httpx.Client, database: Database
) -> None:
    now = clock.now().timestamp()
    ages = metrics(client)["outlay_invariant_checked_timestamp_seconds"]
    assert ages.keys() == CHECKS.keys()
    assert all(now <= at < now + 60 for at in ages.values()), "without accounts there is nothing to check"

    long_ago = clock.now() - timedelta(days=4)
    oldest = add_user(database)
    with database.transaction() as session:
        session.execute(update(User).where(User.id == oldest).values(created_at=long_ago))
    add_user(database)
    keep(database, "a check of before")
    proof = keep(database, "group_ledger")
    ages = metrics(client)["outlay_invariant_checked_timestamp_seconds"]
    never_ended = dict.fromkeys(CHECKS, long_ago.timestamp())
    assert ages == never_ended | {"group_ledger": proof.checked_at.timestamp()}


def age_deliveries(database: Database, *, due_s: int, **values: Any) -> None:
    with database.transaction() as session:
        due_at = clock.now() - timedelta(seconds=due_s)
        session.execute(update(Delivery).values(available_at=due_at, **values))


def test_deliveries_that_no_courier_sends_degrade(client: httpx.Client, database: Database) -> None:
    user_id = add_user(database)
    add_channel(database, user_id, "https://example.com/hook")
    tell(database, user_id, *["budget.threshold"] * 3)
    assert ready(client)["status"] == "ok"
    age_deliveries(database, due_s=DEGRADED_DELIVERY_AGE_S + 60)
    body = ready(client)
    assert body["status"] == "degraded"
    assert DEGRADED_DELIVERY_AGE_S + 60 <= body["delivery_age_s"] < DEGRADED_DELIVERY_AGE_S + 120
    found = metrics(client)
    assert found["outlay_deliveries"] == {"waiting": 3}
    assert 0 < found["outlay_deliveries_oldest_seconds"][""] - DEGRADED_DELIVERY_AGE_S < 120
    age_deliveries(database, due_s=-3_600)
    assert ready(client)["status"] == "ok", "they are tried again later"
    age_deliveries(database, due_s=3_600, state="sent")
    assert ready(client)["status"] == "ok"
    assert metrics(client)["outlay_deliveries"] == {"waiting": 0}


def test_deliveries_that_wait_behind_others_for_a_slow_host_do_not_degrade(
    client: httpx.Client, database: Database
) -> None:
    user_id = add_user(database)
    add_channel(database, user_id, "https://slow.example.com/hook")
    tell(database, user_id, *["budget.threshold"] * 3)
    age_deliveries(database, due_s=3_600)
    with database.transaction() as session:
        claim_messages(session, of_a_host=1, in_all=10)
    body = ready(client)
    assert (body["status"], body["delivery_age_s"]) == ("ok", 0.0)
    assert metrics(client)["outlay_deliveries_oldest_seconds"][""] >= 3_600, "but it is told"
    add_channel(database, user_id, "https://other.example.com/hook")
    tell(database, user_id)
    with database.transaction() as session:
        others = Delivery.host == "other.example.com"
        due_at = clock.now() - timedelta(seconds=DEGRADED_DELIVERY_AGE_S + 1)
        session.execute(update(Delivery).where(others).values(available_at=due_at))
    assert ready(client)["status"] == "degraded"


def test_mails_that_wait_for_a_server_that_is_away_degrade(client: httpx.Client, database: Database) -> None:
    user_id, other = user_with_mail(database), user_with_mail(database, "grace")
    for one in (user_id, other):
        tell(database, one)
    age_deliveries(database, due_s=3_600)
    with database.transaction() as session:
        claim_messages(session, of_a_host=1, in_all=1)
    assert ready(client)["status"] == "degraded"


def test_metrics_tell_how_late_recurring_expenses_and_digests_are(
    client: httpx.Client, database: Database
) -> None:
    late = ("outlay_recurring_late_seconds", "outlay_digests_late_seconds")
    found = metrics(client)
    assert [found[name] for name in late] == [{"": 0.0}] * 2
    me = Spender(database)
    now, today = clock.now(), clock.now().date()
    plan = {
        "user_id": me.id, "id": new_id(), "amount_minor": 100, "currency": "EUR", "tags": [], "lines": [],
        "rule": "FREQ=DAILY", "starts_on": today, "is_variable": False, "is_paused": False,
        "handled_through": today, "reminded_through": today, "version": 1, "created_at": now,
        "updated_at": now,
    }  # fmt: skip
    quiet_hours(database, me.id, 0, 1, next_digest_at=now - timedelta(hours=1))
    with database.transaction() as session:
        session.execute(insert(RecurringExpense).values(**plan, next_at=now - timedelta(hours=2)))
    found = metrics(client)
    assert [round(found[name][""] / 3_600) for name in late] == [2, 1]
    with database.transaction() as session:
        session.execute(update(RecurringExpense).values(next_at=now + timedelta(hours=1)))
        session.execute(update(User).where(User.id == me.id).values(is_active=False))
    found = metrics(client)
    assert [found[name] for name in late] == [{"": 0.0}] * 2


def test_metrics_are_the_same_for_everybody_and_name_nobody(cast: Cast, client: httpx.Client) -> None:
    for person in (cast.owner, cast.member, cast.stranger):
        assert person.client.get("/metrics").status_code == 200
        assert person.client.post("/v1/expenses", json={"amount": "1234.56"}).status_code == 201
    lines = client.get("/metrics").text.splitlines()
    # Without the values, which are times of any digits, and the routes, which are the documentation's.
    text = "\n".join(re.sub(r'route="[^"]*"', "", line.rpartition(" ")[0]) for line in lines)
    for person in (cast.owner, cast.member, cast.stranger):
        assert str(person.id) not in text
        assert person.username not in text
    assert "1234" not in text
