"""Calls that many tests make, each checked to have succeeded."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import insert, select

from core import clock
from core.config import Settings
from core.database import Database
from core.ids import new_id
from core.job_names import SEND_MAIL
from core.models import DigestRun, OutboxRow
from core.queries.digest_figures import digest_figures
from core.queries.digests import QueuedDigest
from core.queries.invariants import spending_differences
from core.queries.invitation_letters import INVITATION_PURPOSE
from core.rules.periods import Period
from core.security import derive_token
from core.services.digests import finish_digests
from tests.cast import http_client

STATEMENT = b"Date,Amount,Payee,Category\n2026-05-04,-3.20,Corner Bakery,Groceries\n"
"""Of a bank: money spent is negative."""

PUSH_URL = "gotifys://push.example.com/AbCdEfGhIjKlMnO"

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"


def new_category(client: httpx.Client, name: str, **fields: Any) -> dict[str, Any]:
    return _json(client.post("/v1/categories", json={"name": name, **fields}), 201)


def new_expense(client: httpx.Client, amount: str = "10.00", **fields: Any) -> dict[str, Any]:
    body = {"amount": amount, "currency": "EUR", "spent_on": "2026-05-04", **fields}
    return _json(client.post("/v1/expenses", json=body), 201)


def new_rule(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    """A rule that tags what a bakery sells, unless the fields say otherwise."""
    body = {"name": "Bakeries", "when": {"payee": {"contains": "bakery"}}, "then": {"add_tags": ["bread"]}}
    return _json(client.post("/v1/rules", json={**body, **fields}), 201)


def new_api_key(client: httpx.Client) -> dict[str, Any]:
    body = {"name": "Script", "scopes": ["expenses:read"]}
    return _json(client.post("/v1/me/api-keys", json=body), 201)


def new_recurring(client: httpx.Client, amount: str = "10.00", **fields: Any) -> dict[str, Any]:
    """A recurring expense of each month, unless the fields say otherwise."""
    rule = {} if fields.keys() & {"rrule", "unit"} else {"unit": "month"}
    return _json(client.post("/v1/recurring-expenses", json={"amount": amount, **rule, **fields}), 201)


def one_of_each(client: httpx.Client, database: Database) -> dict[str, str]:
    """The id of a thing of the client's for each name of an id in the paths of the API."""
    category = new_category(client, "Private")
    budget = client.post("/v1/budgets", json={"name": "Private", "amount": "1"})
    return {
        "category_id": category["id"],
        "budget_id": _json(budget, 201)["id"],
        **_one_attachment(client),
        "rule_id": new_rule(client)["id"],
        "recurring_id": new_recurring(client)["id"],
        "session_id": read(client, "/v1/me/sessions")["items"][0]["id"],
        "key_id": new_api_key(client)["id"],
        "name": "budget-progress",
        "export_id": new_export(client)["id"],
        "import_id": new_import(client)["id"],
        "report_id": new_report(client)["id"],
        "webhook_id": new_webhook(client)["id"],
        "channel_id": _json(client.post("/v1/channels", json={"url": PUSH_URL}), 201)["id"],
        # A courier's business; that there is none is no other answer than that it is somebody else's.
        "delivery_id": str(new_id()),
        "digest_id": str(new_digest(database, UUID(read(client, "/v1/me")["id"]))),
        **_one_of_each_in_a_group(client),
        # A device's business.
        "passkey_id": str(new_id()),
        # Of administrators, who are somebody else.
        "user_id": str(new_id()),
        "job_id": "987654321987654321",
    }


def new_digest(database: Database, user_id: UUID, day: date = date(2026, 5, 11)) -> UUID:
    """A daily one that was sent on that day, as a builder makes it."""
    digest_id, period = new_id(), Period(day - timedelta(days=1), day)
    with database.transaction() as session:
        row = {"user_id": user_id, "id": digest_id, "frequency": "daily", "state": "queued"}
        days = {"period_start": period.start, "period_end": period.end, "created_at": clock.now()}
        session.execute(insert(DigestRun).values(**row, **days))
        figures = digest_figures(session, [(user_id, "daily", period)])[user_id]
        finish_digests(
            session, [(QueuedDigest(user_id, digest_id, "daily", period, is_sent_empty=True), figures)]
        )
    return digest_id


def new_attachment(client: httpx.Client, expense_id: str, content: bytes = PDF) -> dict[str, Any]:
    files = {"file": ("receipt.pdf", content)}
    return _json(client.post(f"/v1/expenses/{expense_id}/attachments", files=files), 201)


def new_export(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    return _json(client.post("/v1/exports", json={"format": "csv", **fields}), 202)


def new_import(client: httpx.Client, content: bytes = STATEMENT, **fields: Any) -> dict[str, Any]:
    return _json(client.post("/v1/imports", files={"file": ("may.csv", content)}, data=fields), 202)


def new_report(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    return _json(client.post("/v1/reports", json={"kind": "monthly", "period": "2026-05", **fields}), 202)


def new_webhook(client: httpx.Client, url: str = "https://example.com/hook", **fields: Any) -> dict[str, Any]:
    return _json(client.post("/v1/webhooks", json={"url": url, **fields}), 201)


def _one_attachment(client: httpx.Client) -> dict[str, str]:
    expense_id = new_expense(client)["id"]
    return {"expense_id": expense_id, "attachment_id": new_attachment(client, expense_id)["id"]}


def _one_of_each_in_a_group(client: httpx.Client) -> dict[str, str]:
    """Somebody without an account, and an invitation to somebody who is none of the cast."""
    group = _json(client.post("/v1/groups", json={"name": "Private"}), 201)
    path, me = f"/v1/groups/{group['id']}", group["members"][0]["id"]
    member = _json(client.post(f"{path}/members", json={"display_name": "Grace"}), 201)
    invited = _json(client.post(f"{path}/invitations", json={"email": "nobody@example.net"}), 201)
    expense = {"amount": "12.00", "description": "Dinner", "spent_on": "2026-05-04"}
    settlement = {"from_member_id": me, "to_member_id": member["id"], "amount": "1.00"}
    return {
        "group_id": group["id"],
        "member_id": member["id"],
        "invitation_id": invited["id"],
        "token": derive_token(Settings().secret, INVITATION_PURPOSE, group["id"], invited["id"], "1"),
        "group_expense_id": _json(client.post(f"{path}/expenses", json=expense), 201)["id"],
        "settlement_id": _json(client.post(f"{path}/settlements", json=settlement), 201)["id"],
    }


def read(client: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    return _json(client.get(path, params=query), 200)


def amounts(client: httpx.Client, **query: Any) -> list[str]:
    """The amounts of the listed expenses, in the order of the list."""
    return [item["amount"] for item in read(client, "/v1/expenses", **query)["items"]]


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem that was answered with this status."""
    assert answer.headers.get("Content-Type") == "application/problem+json", answer.text
    found = _json(answer, status)
    assert found["status"] == status
    return found


def wrong_fields(answer: httpx.Response) -> list[str]:
    """Pointers, parameters and headers that a 422 names."""
    errors = problem(answer, 422)["errors"]
    assert all(error["detail"] for error in errors)
    return [error.get("pointer", error.get("parameter", error.get("header"))) for error in errors]


def another(client: httpx.Client) -> httpx.Client:
    """A client with the same credentials and a connection of its own, for another thread."""
    return http_client(str(client.base_url), Authorization=client.headers["Authorization"])


def jobs_asked_for(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    """Job, key and payload of what waits in the outbox, but for the mail that every registration sends."""
    with database.reading() as session:
        waiting = select(OutboxRow.job, OutboxRow.key, OutboxRow.payload).where(OutboxRow.job != SEND_MAIL)
        return [(job, key, payload) for job, key, payload in session.execute(waiting.order_by(OutboxRow.id))]


def assert_totals_are_right(database: Database, user_id: UUID | None = None) -> None:
    with database.reading() as session:
        assert spending_differences(session, user_id=user_id) == []


def _json(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    found: dict[str, Any] = answer.json()
    return found
