"""What goes out on which channel, when it must not, and when digests come."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import update

from core import clock
from core.config import Settings
from core.database import Database
from core.models import User
from core.rules.notification_kinds import KINDS, SUBJECTS, concerns_security, is_wanted
from core.services.notifications import NewNotification, notify
from core.unsubscribing import Subscription, unsubscribe_url
from tests.api.calls import new_digest, problem, read, wrong_fields
from tests.cast import Cast

SETTINGS = "/v1/me/notification-settings"


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def put(me: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = me.put(SETTINGS, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_without_a_word_every_kind_has_its_defaults(me: httpx.Client) -> None:
    found = read(me, SETTINGS)
    assert found["kinds"].keys() == KINDS.keys() == SUBJECTS.keys()
    assert found["kinds"]["budget.threshold"] == {"in_app": True, "email": True, "push": True}
    assert found["kinds"]["group.expense_added"] == {"in_app": True, "email": False, "push": False}
    assert found["quiet_hours"] is None
    assert found["digest"] == {"frequency": "off", "hour": 8, "weekday": 1, "day": 1, "when_empty": False}
    assert found["next_digest_at"] is None


def test_what_is_set_is_read_again_and_what_is_left_out_goes_back(me: httpx.Client) -> None:
    body = {
        "kinds": {
            "budget.threshold": {"email": False},
            "group.expense_added": {"in_app": False, "push": True},
        },
        "quiet_hours": {"from": "22:30", "to": "07:00", "let_exceeded_pass": True},
        "digest": {"frequency": "monthly", "hour": 19, "day": 31, "when_empty": True},
    }
    found = put(me, **body)
    assert found == read(me, SETTINGS)
    assert found["kinds"]["budget.threshold"] == {"in_app": True, "email": False, "push": True}
    assert found["kinds"]["group.expense_added"] == {"in_app": False, "email": False, "push": True}
    assert found["quiet_hours"] == body["quiet_hours"]
    assert found["digest"]["frequency"] == "monthly"
    again = put(me, kinds={"budget.threshold": {"email": True}})
    assert again["kinds"]["budget.threshold"] == {"in_app": True, "email": True, "push": True}
    assert again["kinds"]["group.expense_added"] == {"in_app": True, "email": False, "push": False}
    assert (again["quiet_hours"], again["digest"]["frequency"]) == (None, "off")


def test_a_change_heeds_the_version_that_it_is_based_on(me: httpx.Client) -> None:
    assert me.get(SETTINGS).headers["ETag"] == '"0"'
    assert me.put(SETTINGS, json={}, headers={"If-Match": '"0"'}).headers["ETag"] == '"1"'
    problem(me.put(SETTINGS, json={}, headers={"If-Match": '"0"'}), 412)
    assert me.put(SETTINGS, json={}, headers={"If-Match": '"1"'}).headers["ETag"] == '"2"'


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kinds": {"budget.treshold": {}}}, "/kinds/budget.treshold"),
        ({"kinds": {"budget.threshold": {"sms": True}}}, "/kinds/budget.threshold/sms"),
        ({"kinds": {"budget.threshold": {"email": "yes"}}}, "/kinds/budget.threshold/email"),
        ({"kinds": {"security.new_login": {"email": False}}}, "/kinds/security.new_login/email"),
        (
            {"kinds": {"security.account_changed": {"in_app": False}}},
            "/kinds/security.account_changed/in_app",
        ),
        ({"quiet_hours": {"from": "24:00", "to": "07:00"}}, "/quiet_hours/from"),
        ({"quiet_hours": {"from": "7:00", "to": "08:00"}}, "/quiet_hours/from"),
        ({"quiet_hours": {"from": "07:00", "to": "07:00"}}, "/quiet_hours/to"),
        ({"quiet_hours": {"from": "07:00"}}, "/quiet_hours/to"),
        ({"digest": {"frequency": "hourly"}}, "/digest/frequency"),
        ({"digest": {"hour": 24}}, "/digest/hour"),
        ({"digest": {"weekday": 0}}, "/digest/weekday"),
        ({"digest": {"day": 32}}, "/digest/day"),
        ({"digests": {}}, "/digests"),
    ],
)
def test_what_is_wrong_is_named(me: httpx.Client, body: dict[str, Any], pointer: str) -> None:
    before = me.get(SETTINGS)
    assert wrong_fields(me.put(SETTINGS, json=body)) == [pointer]
    assert me.get(SETTINGS).headers["ETag"] == before.headers["ETag"]


def test_the_next_digest_is_told_in_the_users_time_zone(me: httpx.Client) -> None:
    assert me.patch("/v1/me", json={"timezone": "Asia/Tokyo"}).status_code == 200
    put(me, digest={"frequency": "weekly", "hour": 7, "weekday": 3})
    told = set()
    for zone in ("Asia/Tokyo", "Europe/Berlin"):
        assert me.patch("/v1/me", json={"timezone": zone}).status_code == 200
        found = read(me, SETTINGS)
        local = datetime.fromisoformat(found["next_digest_at"]).astimezone(ZoneInfo(zone))
        # Up to five minutes past the hour, as many have theirs at seven.
        assert (local.isoweekday(), local.hour, local.minute < 5) == (3, 7, True)
        assert local.date().isoformat() == found["next_digest_on"]
        told.add(found["next_digest_on"])
    assert len(told) == 1


def test_what_is_muted_comes_into_the_inbox_as_read(cast: Cast, database: Database) -> None:
    me = cast.owner.client
    put(me, kinds={"budget.recovered": {"in_app": False}})
    with database.transaction() as session:
        kinds = ("budget.recovered", "budget.threshold")
        notify(session, [NewNotification(cast.owner.id, kind, {}) for kind in kinds])
    found = {one["kind"]: one["read_at"] for one in read(me, "/v1/notifications")["items"]}
    assert found["budget.recovered"] is not None
    assert found["budget.threshold"] is None


def test_what_concerns_security_is_told_even_if_it_was_silenced_once(cast: Cast, database: Database) -> None:
    """Former versions took that."""
    kind = "security.password_changed"
    with database.transaction() as session:
        session.execute(update(User).where(User.id == cast.owner.id).values(muted_kinds=[kind]))
        notify(session, [NewNotification(cast.owner.id, kind, {})])
    [told] = read(cast.owner.client, "/v1/notifications")["items"]
    assert told["read_at"] is None
    assert read(cast.owner.client, SETTINGS)["kinds"][kind]["in_app"] is True
    assert is_wanted(kind, "email", {kind: {"email": False, "push": False}})
    assert not is_wanted(kind, "push", {kind: {"email": False, "push": False}})


kinds = st.dictionaries(
    st.sampled_from(sorted(kind for kind in KINDS if not concerns_security(kind))),
    st.fixed_dictionaries({}, optional={name: st.booleans() for name in ("in_app", "email", "push")}),
)


@examples(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=kinds)
def test_every_choice_holds_and_everything_else_is_the_default(
    me: httpx.Client, kinds: dict[str, Any]
) -> None:
    found = put(me, kinds=kinds)["kinds"]
    for kind, defaults in KINDS.items():
        expected = {"in_app": True, "email": defaults.email, "push": defaults.push} | kinds.get(kind, {})
        assert found[kind] == expected


def test_one_click_in_a_mail_ends_mails_of_its_kind_and_no_others(
    cast: Cast, client: httpx.Client, settings: Settings
) -> None:
    put(cast.owner.client, digest={"frequency": "weekly"})
    url = unsubscribe_url(settings.secret, "", Subscription(cast.owner.id, frozenset({"digest.ready"})))
    page = client.get(url)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'method="post"' in page.text
    assert read(cast.owner.client, SETTINGS)["kinds"]["digest.ready"]["email"] is True
    for _ in range(2):
        answer = client.post(url, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    found = read(cast.owner.client, SETTINGS)
    assert found["kinds"]["digest.ready"] == {"in_app": True, "email": False, "push": True}
    assert found["kinds"]["budget.threshold"]["email"] is True
    assert found["digest"]["frequency"] == "weekly"
    assert read(cast.member.client, SETTINGS)["kinds"]["digest.ready"]["email"] is True


def test_one_click_works_for_who_has_never_set_anything(
    cast: Cast, client: httpx.Client, settings: Settings
) -> None:
    url = unsubscribe_url(settings.secret, "", Subscription(cast.owner.id, frozenset({"budget.threshold"})))
    assert client.post(url).status_code == 200
    found = read(cast.owner.client, SETTINGS)
    assert found["kinds"]["budget.threshold"]["email"] is False
    assert (found["quiet_hours"], found["digest"]["frequency"]) == (None, "off")


def test_a_link_that_is_none_of_ours_is_404(cast: Cast, client: httpx.Client, settings: Settings) -> None:
    subscription = Subscription(cast.owner.id, frozenset({"digest.ready"}))
    url = unsubscribe_url(settings.secret, "", subscription)
    others = unsubscribe_url(settings.secret, "", Subscription(cast.member.id, frozenset({"digest.ready"})))
    claims, _, proof = url.rpartition("/")[2].partition(".")
    wrong = [
        "x",
        "%00",
        f"{claims}.{others.rpartition('.')[2]}",
        f"{claims}.{proof[:-1]}",
        f"{claims}.{proof}x",
        f"{claims}=.{proof}",
        unsubscribe_url(
            "another secret", "", Subscription(cast.owner.id, frozenset({"digest.ready"}))
        ).rpartition("/")[2],
    ]
    for token in wrong:
        for method in ("get", "post"):
            problem(client.request(method, f"/v1/unsubscribe/{token}"), 404)
    assert read(cast.owner.client, SETTINGS)["kinds"]["digest.ready"]["email"] is True


def test_a_link_of_an_account_that_is_gone_does_no_harm(
    cast: Cast, client: httpx.Client, settings: Settings, database: Database
) -> None:
    url = unsubscribe_url(settings.secret, "", Subscription(cast.owner.id, frozenset({"digest.ready"})))
    with database.transaction() as session:
        session.execute(update(User).where(User.id == cast.owner.id).values(is_active=False))
    assert client.post(url).status_code == 200


def test_the_digests_that_were_sent_are_listed_and_read(cast: Cast, database: Database) -> None:
    me = cast.owner.client
    days = [clock.now().date().replace(year=2026, month=5, day=day) for day in (4, 6, 5)]
    ids = [str(new_digest(database, cast.owner.id, day)) for day in days]
    page = read(me, "/v1/digests", limit=2)
    assert [one["id"] for one in page["items"]] == [ids[1], ids[2]]
    rest = read(me, "/v1/digests", limit=2, cursor=page["next_cursor"])
    assert ([one["id"] for one in rest["items"]], rest["next_cursor"]) == ([ids[0]], None)
    one = read(me, f"/v1/digests/{ids[0]}")
    assert one == rest["items"][0]
    assert (one["period_start"], one["period_end"]) == ("2026-05-03", "2026-05-04")
    assert one["figures"]["spent"] == "0.00"
    problem(cast.stranger.client.get(f"/v1/digests/{ids[0]}"), 404)
    assert read(cast.stranger.client, "/v1/digests")["items"] == []


def test_a_preview_is_the_digest_that_would_come(me: httpx.Client) -> None:
    body = {"amount": "12.30", "spent_on": "2026-05-10", "payee": "Market"}
    assert me.post("/v1/expenses", json=body).status_code == 201
    found = read(me, "/v1/digests/preview", frequency="weekly", on="2026-05-11")
    assert (found["period_start"], found["period_end"]) == ("2026-05-04", "2026-05-11")
    assert (found["spent"], found["count"], found["spent_before"]) == ("12.30", 1, "0.00")
    assert [one["payee"] for one in found["largest"]] == ["Market"]
    monthly = read(me, "/v1/digests/preview", frequency="monthly", on="2026-06-01")
    assert (monthly["period_start"], monthly["spent"]) == ("2026-05-01", "12.30")
    assert read(me, "/v1/digests")["items"] == []
    assert wrong_fields(me.get("/v1/digests/preview", params={"on": "1900-01-02"})) == ["on"]
    assert wrong_fields(me.get("/v1/digests/preview", params={"frequency": "never"})) == ["frequency"]
