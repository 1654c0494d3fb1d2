"""Registering: what makes an account, and what does not."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from core.database import Database
from core.models import Category, User
from tests.api.accounts import ADA, count, pointers, register_ada


def test_it_answers_the_account_and_where_it_is_but_never_the_password(client: httpx.Client) -> None:
    answer = register_ada(client, display_name="Ada L.", timezone="Asia/Tokyo", currency="JPY")
    assert answer.status_code == 201, answer.text
    account = answer.json()
    UUID(account.pop("id"))
    assert account.pop("created_at").endswith("Z")
    assert account.pop("updated_at").endswith("Z")
    assert account == {
        "username": "Ada",
        "email": "Ada@Example.com",
        "email_verified": False,
        "display_name": "Ada L.",
        "timezone": "Asia/Tokyo",
        "currency": "JPY",
    }
    assert answer.headers["Location"] == "/v1/me"
    assert answer.headers["ETag"] == '"1"'


def test_without_a_profile_it_uses_the_user_name_utc_and_euros(client: httpx.Client) -> None:
    account = register_ada(client).json()
    assert (account["display_name"], account["timezone"], account["currency"]) == ("Ada", "UTC", "EUR")


def test_only_a_bcrypt_hash_of_the_password_is_stored(client: httpx.Client, database: Database) -> None:
    register_ada(client)
    with database.reading() as session:
        password_hash = session.scalars(select(User.password_hash)).one()
    assert password_hash.startswith("$2b$04$")


def test_a_new_account_starts_with_categories_at_most_two_levels_deep(
    client: httpx.Client, database: Database
) -> None:
    user_id = UUID(register_ada(client).json()["id"])
    with database.reading() as session:
        categories = session.scalars(select(Category).where(Category.user_id == user_id)).all()
    top_level = {category.id for category in categories if category.parent_id is None}
    assert 12 <= len(top_level) <= 15
    assert {category.parent_id for category in categories} - {None} <= top_level
    assert all(category.color and category.icon for category in categories)


@pytest.mark.parametrize("username", ["Ada", "ADA", "ada"])
def test_a_user_name_is_taken_whatever_its_case(client: httpx.Client, username: str) -> None:
    register_ada(client)
    answer = register_ada(client, username=username, email="other@example.com")
    assert answer.status_code == 409
    assert "username" in answer.json()["detail"]


@pytest.mark.parametrize("email", ["Ada@Example.com", "ADA@EXAMPLE.COM", "ada@example.com"])
def test_an_email_address_is_taken_whatever_its_case(client: httpx.Client, email: str) -> None:
    register_ada(client)
    answer = register_ada(client, username="other", email=email)
    assert answer.status_code == 409
    assert "email" in answer.json()["detail"]


def test_addresses_that_look_the_same_are_the_same_however_their_accents_are_composed(
    client: httpx.Client,
) -> None:
    assert register_ada(client, email="zo\u00eb@example.com").status_code == 201
    assert register_ada(client, username="other", email="zoe\u0308@example.com").status_code == 409


def test_of_several_who_register_the_same_name_at_once_exactly_one_gets_it(
    client: httpx.Client, database: Database
) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda n: register_ada(client, email=f"ada{n}@example.com").status_code, range(8))
        )
    assert sorted(answers) == [201] + [409] * 7
    assert count(database, User) == 1


def test_a_repeated_registration_with_its_key_gets_the_first_answer(
    client: httpx.Client, database: Database
) -> None:
    key = {"Idempotency-Key": "registration-1"}
    first, second = register_ada(client, key), register_ada(client, key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["Location"] == second.headers["Location"]
    assert count(database, User) == 1


def test_the_key_of_another_registration_is_refused(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "registration-1"}
    register_ada(client, key)
    assert register_ada(client, key, username="other", email="other@example.com").status_code == 409


@pytest.mark.parametrize(
    "password", ["pq7vmbzk2x", "wide seas " * 7 + "ok", "€wüste öde", "éàçñøüé", "  spaces 9 "]
)
def test_a_password_of_10_to_72_bytes_is_accepted_and_works(client: httpx.Client, password: str) -> None:
    assert register_ada(client, password=password).status_code == 201
    login = client.post("/v1/auth/login", json={"login": "ada", "password": password})
    assert login.status_code == 200


@pytest.mark.parametrize("password", ["", "p" * 9, "p" * 73, "€" * 25, "éééé", "𝄞" * 19, "p" * 5_000])
def test_a_password_of_fewer_or_more_bytes_is_refused_and_told_the_limits(
    client: httpx.Client, password: str
) -> None:
    answer = register_ada(client, password=password)
    assert pointers(answer) == ["/password"]
    assert "10 to 72 bytes" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "ab"),
        ("username", "a" * 41),
        ("username", "ada lovelace"),
        ("username", "ada\n"),
        ("username", "ada@home"),
        ("username", "ädä"),
        ("username", "ada\0"),
        ("username", None),
        ("username", 12345),
        ("email", ""),
        ("email", "ada"),
        ("email", "@example.com"),
        ("email", "ada@"),
        ("email", "ada@home@example.com"),
        ("email", "ada lovelace@example.com"),
        ("email", "ada@example.com\n"),
        ("email", "ada\u200b@example.com"),
        ("email", "ada\u2028@example.com"),
        ("email", "ada\0@example.com"),
        ("email", "a" * 243 + "@example.com"),
        ("email", "ß" * 130 + "@example.com"),
        ("password", "correct horse\0battery"),
        ("password", ["correct horse battery"]),
        ("display_name", ""),
        ("display_name", "a" * 101),
        ("display_name", "Ada\0"),
        ("display_name", "Ada\n"),
        ("display_name", "Ada\x7f"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "europe/berlin"),
        ("timezone", "localtime"),
        ("timezone", "../../etc/passwd"),
        ("timezone", "UTC\0"),
        ("timezone", ""),
        ("timezone", None),
        ("currency", "eur"),
        ("currency", "XXX"),
        ("currency", "EUR\n"),
        ("currency", "E\0R"),
        ("is_admin", True),
    ],
)
def test_what_is_not_acceptable_is_named(client: httpx.Client, field: str, value: Any) -> None:
    assert pointers(register_ada(client, **{field: value})) == [f"/{field}"]


@pytest.mark.parametrize("field", ["username", "email", "password", "display_name", "timezone", "currency"])
def test_half_a_surrogate_pair_is_refused_by_name(client: httpx.Client, field: str) -> None:
    fields = {**ADA, field: "?"}
    body = "{" + ",".join(f'"{name}":"{value}"' for name, value in fields.items()) + "}"
    answer = client.post("/v1/auth/register", content=body.replace("?", "\\ud800ada.......").encode())
    assert pointers(answer) == [f"/{field}"]


def test_all_wrong_values_are_named_at_once(client: httpx.Client) -> None:
    answer = register_ada(client, email="ada", password="short", timezone="Mars/Olympus", currency="XXX")
    assert pointers(answer) == ["/email", "/password", "/timezone", "/currency"]


@pytest.mark.parametrize("field", ["username", "email", "password"])
def test_what_is_missing_is_named(client: httpx.Client, field: str) -> None:
    body = {name: value for name, value in ADA.items() if name != field}
    assert pointers(client.post("/v1/auth/register", json=body)) == [f"/{field}"]


def test_a_refusal_never_repeats_the_password(client: httpx.Client) -> None:
    assert "hunter2" not in register_ada(client, password="hunter2").text


def test_an_unknown_query_parameter_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/auth/register?dry_run=1", json=ADA)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "dry_run"
