"""Deleting the own account: all of it, and nothing else."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
from sqlalchemy import select

from core.database import Database
from core.models import Base, User
from tests.api.accounts import count, pointers, register_ada
from tests.api.every_table import add_one_of_everything
from tests.cast import PASSWORD, Cast, Person, register

OF_A_USER = {
    "users",
    "outbox",
    *(table.name for table in Base.metadata.sorted_tables if "user_id" in table.primary_key.columns),
}
"""Tables whose rows are each some user's alone."""


def delete_me(
    person: Person, password: str = PASSWORD, headers: dict[str, str] | None = None
) -> httpx.Response:
    return person.client.request("DELETE", "/v1/me", json={"password": password}, headers=headers)


def test_it_needs_the_password(cast: Cast) -> None:
    answer = delete_me(cast.owner, "not my password")
    assert answer.status_code == 403
    assert "password" in answer.json()["detail"]
    assert pointers(cast.owner.client.request("DELETE", "/v1/me", json={})) == ["/password"]
    assert cast.owner.client.get("/v1/me").status_code == 200


def test_it_heeds_the_version_that_it_is_based_on(cast: Cast) -> None:
    assert delete_me(cast.owner, headers={"If-Match": '"7"'}).status_code == 412
    assert cast.owner.client.get("/v1/me").status_code == 200
    assert delete_me(cast.owner, headers={"If-Match": '"1"'}).status_code == 204


def test_everything_that_was_the_users_is_gone_and_nothing_else(
    client: httpx.Client, database: Database
) -> None:
    with register(client, "stranger") as stranger:
        add_one_of_everything(database, stranger.id)
        before = contents(database)
        key = {"Idempotency-Key": "registration-1"}
        assert register_ada(client, key).status_code == 201
        login = client.post("/v1/auth/login", json={"login": "ada", "password": PASSWORD}).json()
        client.headers["Authorization"] = f"Bearer {login['access_token']}"
        user_id = UUID(client.get("/v1/me").json()["id"])
        add_one_of_everything(database, user_id)
        grown = contents(database)
        assert {name for name in OF_A_USER if len(grown[name]) <= len(before[name])} == set()
        assert client.request("DELETE", "/v1/me", json={"password": PASSWORD}).status_code == 204
        assert contents(database) == before


def test_its_tokens_and_its_login_are_dead_at_once(cast: Cast, client: httpx.Client) -> None:
    assert delete_me(cast.owner).status_code == 204
    assert cast.owner.client.get("/v1/me").status_code == 401
    login = client.post("/v1/auth/login", json={"login": "owner", "password": PASSWORD})
    refresh = client.post("/v1/auth/refresh", json={"refresh_token": cast.owner.tokens["refresh_token"]})
    assert (login.status_code, refresh.status_code) == (401, 401)
    assert cast.member.client.get("/v1/me").status_code == 200


def test_the_name_is_free_again(cast: Cast, client: httpx.Client) -> None:
    delete_me(cast.owner)
    with register(client, "owner") as again:
        assert again.id != cast.owner.id


def test_of_two_deletions_at_once_both_find_the_account_gone(cast: Cast, database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = sorted(threads.map(lambda _: delete_me(cast.owner).status_code, range(4)))
    assert answers[0] == 204
    assert set(answers[1:]) <= {204, 401}
    assert count(database, User) == 2


def test_what_is_written_while_an_account_is_deleted_goes_with_it(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    before = contents(database)
    with register(client, "ada") as ada, ThreadPoolExecutor(8) as threads:

        def write(n: int) -> int:
            key = {"Idempotency-Key": f"key-{n}"}
            if n % 3 == 0:
                return ada.client.post("/v1/expenses", json={"amount": "1.00"}, headers=key).status_code
            if n % 3 == 1:
                items = [{"amount": "1.00"}] * 3
                return ada.client.post("/v1/expenses/bulk", json={"items": items}, headers=key).status_code
            timezone = "Asia/Tokyo" if n % 2 else "UTC"
            return ada.client.patch("/v1/me", json={"timezone": timezone}).status_code

        early = [threads.submit(write, n) for n in range(12)]
        deletion = threads.submit(delete_me, ada)
        late = [threads.submit(write, n) for n in range(12, 36)]
        assert deletion.result().status_code == 204
        answers = {write.result() for write in early + late}
    assert answers <= {200, 201, 401, 404, 409}
    assert contents(database) == before


def contents(database: Database) -> dict[str, list[str]]:
    """Every row of every table."""
    with database.reading() as session:
        return {
            table.name: sorted(str(tuple(row)) for row in session.execute(select(table)))
            for table in Base.metadata.sorted_tables
        }
