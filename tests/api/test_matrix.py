"""Every route meets everybody: who is nobody, whose login has ended, an API key without the scope, a
stranger, an administrator, and a viewer, a member, an admin and the owner of the group.

The routes are those of the running application, so one that is added meets them all; a writing route of a
group has to be given its least role below.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import falcon.asgi
import httpx
import pytest
from falcon import inspect
from sqlalchemy import update

from api.app import create_app
from api.scopes import needed_scopes
from core.config import Settings
from core.database import Database
from core.models import GroupExpense, User
from core.rules.roles import ROLES, Role, is_at_least
from core.rules.scopes import SCOPES
from tests.api.calls import one_of_each
from tests.api.groups import join
from tests.api.test_isolation import METHODS, NO_IDS, PUBLIC, Document
from tests.cast import PASSWORD, Cast, http_client

GROUP = "/v1/groups/{group_id}"

LEAST_ROLE: Mapping[tuple[str, str], Role] = {
    ("get", f"{GROUP}/invitations"): "admin",
    ("get", f"{GROUP}/invitations/{{invitation_id}}"): "admin",
    ("patch", GROUP): "admin",
    ("delete", GROUP): "owner",
    ("post", f"{GROUP}/members"): "admin",
    ("patch", f"{GROUP}/members/{{member_id}}"): "admin",
    ("delete", f"{GROUP}/members/{{member_id}}"): "admin",
    ("post", f"{GROUP}/invitations"): "admin",
    ("delete", f"{GROUP}/invitations/{{invitation_id}}"): "admin",
    ("post", f"{GROUP}/invitations/{{invitation_id}}/resend"): "admin",
    ("post", f"{GROUP}/expenses"): "member",
    ("patch", f"{GROUP}/expenses/{{group_expense_id}}"): "member",
    ("delete", f"{GROUP}/expenses/{{group_expense_id}}"): "member",
    ("post", f"{GROUP}/remind"): "member",
    ("post", f"{GROUP}/settlements"): "member",
    ("post", f"{GROUP}/settlements/{{settlement_id}}/confirm"): "member",
    ("post", f"{GROUP}/settlements/{{settlement_id}}/dispute"): "member",
    ("post", f"{GROUP}/settlements/{{settlement_id}}/reverse"): "member",
}
"""Who may at least make a call of a group. Reading that is not here everybody may who is in it."""

MAY_REFUSE = {
    ("post", f"{GROUP}/settlements/{{settlement_id}}/confirm"),
    ("post", f"{GROUP}/settlements/{{settlement_id}}/dispute"),
    ("post", f"{GROUP}/settlements/{{settlement_id}}/reverse"),
}
"""Of a settlement this is for its payer or receiver, whatever their role."""

NOT_THERE = {"delivery_id", "passkey_id", "provider", "user_id", "job_id"}
"""What `one_of_each` makes no real one of: 404 says nothing about rights."""

NOT_YET = {
    ("post", "/v1/expenses/{expense_id}/restore"),
    ("get", "/v1/exports/{export_id}/download"),
    ("get", "/v1/reports/{report_id}/download"),
}
"""404 for the owner too, as long as it is not in the trash or not built."""

ENDS_THE_LOGIN = ("post", "/v1/auth/logout")
"""Nobody could make the other calls any more."""


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    body: dict[str, Any]

    @property
    def names(self) -> set[str]:
        return set(re.findall(r"{(\w+)}", self.path)) - NO_IDS

    @property
    def is_public(self) -> bool:
        return (self.method, self.path) in PUBLIC

    @property
    def is_for_admins(self) -> bool:
        return self.path.startswith("/v1/admin")

    @property
    def is_of_a_group(self) -> bool:
        return self.path.startswith(GROUP)

    @property
    def least_role(self) -> Role:
        if self.method == "get":
            return LEAST_ROLE.get((self.method, self.path), "viewer")
        return LEAST_ROLE[self.method, self.path]

    def make(self, client: httpx.Client, ids: dict[str, str]) -> httpx.Response:
        return client.request(self.method, self.path.format(**ids), **self.body)


@pytest.fixture
def ids(cast: Cast, database: Database) -> dict[str, str]:
    """Of the owner's things; the group's expense counts as posted."""
    ids = {**one_of_each(cast.owner.client, database), "seq": "1"}
    with database.transaction() as session:
        session.execute(update(GroupExpense).values(posted_version=GroupExpense.version))
    return ids


@pytest.fixture
def calls(client: httpx.Client) -> list[Call]:
    """What removes comes last, children before parents, and logins after all."""
    document = Document(client)
    found = [Call(method, path, document.body(operation)) for method, path, operation in document.calls()]
    return sorted(
        found,
        key=lambda one: (
            one.method == "delete",
            "session_id" in one.names,
            -one.path.count("/"),
        ),
    )


def protected(calls: list[Call]) -> Iterator[Call]:
    found = [call for call in calls if not call.is_public and (call.method, call.path) != ENDS_THE_LOGIN]
    assert len(found) > 100
    yield from found


def test_the_document_has_every_route(settings: Settings, calls: list[Call]) -> None:
    app: falcon.asgi.App[Any, Any] = create_app(settings)
    routes = {
        (method.method.lower(), re.sub(r":[^}]*", "", route.path))
        for route in inspect.inspect_routes(app)
        for method in route.methods
        if not method.internal and method.method.lower() in METHODS
    }
    pages = {("get", "/openapi.json"), ("get", "/docs"), ("get", "/docs/{name}")}
    assert {(call.method, call.path) for call in calls} == routes - pages


def test_every_writing_route_of_a_group_has_its_least_role(calls: list[Call]) -> None:
    writing = {(call.method, call.path) for call in calls if call.is_of_a_group and call.method != "get"}
    assert writing == {call for call in LEAST_ROLE if call[0] != "get"}


@pytest.mark.parametrize("who", ["nobody", "revoked"])
def test_who_is_not_logged_in_gets_nothing(
    cast: Cast, client: httpx.Client, calls: list[Call], ids: dict[str, str], who: str
) -> None:
    if who == "revoked":
        client = cast.owner.client
        assert client.post("/v1/auth/logout").status_code == 204
    for call in protected(calls):
        answer = call.make(client, ids)
        assert answer.status_code == 401, f"{call}: {answer.status_code} {answer.text}"
        assert not any(value in answer.text for value in ids.values() if len(value) > 20)


def test_a_key_without_the_scope_gets_nothing(cast: Cast, calls: list[Call], ids: dict[str, str]) -> None:
    keys: dict[str | None, httpx.Client] = {}
    for scope in (None, *sorted(SCOPES)):
        others = sorted(SCOPES - {scope})
        made = cast.owner.client.post("/v1/me/api-keys", json={"name": "Key", "scopes": others}).json()
        keys[scope] = http_client(str(cast.owner.client.base_url), Authorization=f"Bearer {made['key']}")
    for call in protected(calls):
        needed = sorted(needed_scopes(call.path, call.method.upper()))
        answer = call.make(keys[needed[-1] if needed else None], ids)
        assert answer.status_code == 403, f"{call}: {answer.status_code} {answer.text}"
    for one in keys.values():
        one.close()


@pytest.mark.parametrize("who", ["stranger", "administrator"])
def test_strangers_and_administrators_find_nothing_of_the_owners(
    cast: Cast, database: Database, calls: list[Call], ids: dict[str, str], who: str
) -> None:
    if who == "administrator":
        with database.transaction() as session:
            session.execute(update(User).where(User.id == cast.stranger.id).values(is_admin=True))
    for call in protected(calls):
        answer = call.make(cast.stranger.client, ids)
        if call.is_for_admins:
            assert (answer.status_code == 403) is (who == "stranger"), f"{call}: {answer.text}"
        elif call.names:
            assert answer.status_code == 404, f"{call}: {answer.status_code} {answer.text}"
        else:
            assert_may(call, answer)
        if not call.is_for_admins:
            assert not any(value in answer.text for value in ids.values() if len(value) > 20), str(call)


@pytest.mark.parametrize("role", ROLES)
def test_in_a_group_each_role_may_what_it_may_and_no_more(
    cast: Cast, calls: list[Call], ids: dict[str, str], role: Role
) -> None:
    person = cast.owner
    if role != "owner":
        person = cast.member
        join(cast.owner, ids["group_id"], person, role=role)
    for call in protected(calls):
        answer = call.make(person.client, ids)
        if call.is_for_admins:
            assert answer.status_code == 403, f"{call}: {answer.text}"
        elif call.is_of_a_group and is_at_least(role, call.least_role):
            assert_may(call, answer)
        elif call.is_of_a_group:
            assert answer.status_code == 403, f"{call}: {answer.status_code} {answer.text}"
        elif role == "owner" or not call.names:
            assert_may(call, answer)
        else:
            assert answer.status_code == 404, f"{call}: {answer.status_code} {answer.text}"


def assert_may(call: Call, answer: httpx.Response) -> None:
    """The right is there, whatever else may be wrong with the request of an example."""
    told = f"{call}: {answer.status_code} {answer.text}"
    assert answer.status_code != 401, told
    if answer.status_code == 403:
        assert (call.method, call.path) in MAY_REFUSE or answer.json()["detail"] == "the password is wrong", (
            told
        )
    if answer.status_code == 404:
        known = (call.method, call.path)
        assert known in NOT_YET or call.names & {*NOT_THERE, "token"} or not call.names, told


def test_the_password_of_the_cast_is_none_of_the_examples(calls: list[Call]) -> None:
    """Else the matrix would delete accounts and change passwords."""
    assert not any(PASSWORD in str(call.body) for call in calls)
