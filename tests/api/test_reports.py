"""Reports over HTTP: asked for, followed, read, downloaded, and nobody else's."""

import hashlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import httpx
import openpyxl
import pytest

from core.config import Settings
from core.database import Database
from tests.api.calls import new_expense, new_report, problem, read, wrong_fields
from tests.api.groups import make_group
from tests.cast import Cast, http_client
from tests.core.services.household import settle_splits
from tests.core.services.spender import settle_evaluations
from tests.workers.report_desk import WatchedRenderer, report_desk

Build = Callable[[], int]

MAY = {"from": "2026-05-01", "to": "2026-05-31"}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


@pytest.fixture(scope="module")
def renderer() -> Iterator[WatchedRenderer]:
    renderer = WatchedRenderer()
    yield renderer
    renderer.close()


@pytest.fixture
def build(settings: Settings, database: Database, renderer: WatchedRenderer) -> Iterator[Build]:
    """Builds what is asked for, as a builder does; answers how many jobs there were."""
    with report_desk(settings, database, renderer) as desk:
        yield desk.build


def built(me: httpx.Client, build: Build, **fields: Any) -> dict[str, Any]:
    asked = new_report(me, **fields)
    assert build() == 1
    return read(me, f"/v1/reports/{asked['id']}")


def test_a_report_is_asked_for_followed_and_read(me: httpx.Client, build: Build) -> None:
    new_expense(me, "12.34", payee="Corner Bakery", tags=["bread"])
    answer = me.post("/v1/reports", json={"kind": "monthly", "period": "2026-05"})
    asked = answer.json()
    path = f"/v1/reports/{asked['id']}"
    assert (answer.status_code, answer.headers["Location"], answer.headers["ETag"]) == (202, path, '"1"')
    assert (asked["state"], asked["period"], asked["currency"]) == ("queued", "2026-05", "EUR")
    assert (asked["built_at"], asked["download_url"], asked["bytes"]) == (None, None, None)
    waiting = read(me, path)
    assert waiting == {**asked, "figures": None, "charts": waiting["charts"]}
    assert build() == 1
    done = me.get(path)
    report = done.json()
    assert (report["state"], report["is_stale"]) == ("succeeded", False)
    assert done.headers["ETag"] != '"1"'
    assert {name: report[name] for name in ("from", "to")} == MAY
    figures = report["figures"]
    assert (figures["total"], figures["count"], figures["average"]) == ("12.34", 1, "12.34")
    assert figures["largest"][0]["payee"] == "Corner Bakery"
    assert [one["label"] for one in figures["by_tag"]["items"]] == ["bread"]
    assert [one["amount"] for one in figures["over_time"] if one["count"]] == ["12.34"]
    (ready,) = read(me, "/v1/notifications", kind="report.ready")["items"]
    assert ready["data"] == {
        "report_id": report["id"], "kind": "monthly", "period": "2026-05", "currency": "EUR",
    }  # fmt: skip


def test_the_figures_are_those_of_analytics(cast: Cast, database: Database, build: Build) -> None:
    me = cast.owner.client
    for number in range(1, 8):
        new_expense(me, f"{number}.50", spent_on=f"2026-05-{number:02d}", payee=f"Shop {number % 3}")
    new_expense(me, "-2.00", spent_on="2026-05-09", lines=[{"amount": "-1.00"}, {"amount": "-1.00"}])
    new_expense(me, "500", currency="JPY", spent_on="2026-05-10")
    new_expense(me, "20.00", spent_on="2026-04-10")
    assert me.post("/v1/budgets", json={"name": "All", "amount": "30"}).status_code == 201
    group = make_group(cast.owner, cast.member)
    assert me.post(
        f"{group.path}/expenses", json={"amount": "8.00", "description": "Pizza", "spent_on": "2026-05-12"}
    ).is_success
    with database.transaction() as session:
        settle_splits(session)
        settle_evaluations(session)
    figures = built(me, build)["figures"]
    summary = read(me, "/v1/analytics/summary", **MAY)
    same = ("total", "count", "average", "by_category", "converted", "unconverted")
    assert {name: figures[name] for name in same} == {name: summary[name] for name in same}
    assert figures["largest"][0] == summary["largest"]
    before = {name: figures["comparisons"][0][name] for name in summary["before"]}
    assert before == summary["before"]
    for by, cut in (("payee", "by_payee"), ("tag", "by_tag")):
        found = read(me, "/v1/analytics/breakdown", by=by, **MAY)
        assert figures[cut] == {"items": found["items"], "rest": found["rest"]}
    adherence = read(me, "/v1/analytics/budget-adherence", **MAY)
    assert figures["budgets"] == adherence["items"]
    assert figures["anomalies"] == read(me, "/v1/analytics/anomalies", **MAY)["items"]
    assert [(one["group_name"], one["paid"], one["share"], one["after"]) for one in figures["groups"]] == [
        ("Flat", "8.00", "4.00", "4.00")
    ]
    assert [(one["display_name"], one["amount"], one["is_owed_by_me"]) for one in figures["debts"]] == [
        ("member", "4.00", False)
    ]


def test_its_charts_are_there_for_the_same_days(me: httpx.Client) -> None:
    new_expense(me, currency="USD")
    report = read(me, f"/v1/reports/{new_report(me, currency='USD')['id']}")
    assert [one["name"] for one in report["charts"]] == ["spending-by-category", "spending-over-time"]
    for chart in report["charts"]:
        assert chart["href"].endswith(".svg?from=2026-05-01&to=2026-05-31&currency=USD")
        specification = me.get(chart["href"].replace(".svg?", ".json?"))
        assert "May 2026" in specification.json()["description"]


def test_the_workbook_is_downloaded_by_token_or_link_and_in_parts(
    me: httpx.Client, client: httpx.Client, build: Build
) -> None:
    new_expense(me, "12.34", payee="=1+1")
    waiting = new_report(me)
    path = f"/v1/reports/{waiting['id']}/download"
    assert problem(me.get(path), 404)
    assert build() == 1
    report = read(me, f"/v1/reports/{waiting['id']}")
    whole = me.get(path)
    assert whole.headers["Content-Type"] == XLSX
    assert "outlay-report-2026-05-EUR.xlsx" in whole.headers["Content-Disposition"]
    assert hashlib.sha256(whole.content).hexdigest() == report["sha256"]
    assert openpyxl.load_workbook(BytesIO(whole.content))["Overview"]["A1"].value == "Report for May 2026"
    part = me.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert me.get(path, headers={"If-None-Match": f'"{report["sha256"]}"'}).status_code == 304
    link = httpx.URL(report["download_url"])
    with http_client(str(client.base_url)) as nobody:
        assert nobody.get(link.raw_path.decode()).content == whole.content
        assert problem(nobody.get(path), 401)
        spoilt = link.copy_merge_params({"expires": str(int(link.params["expires"]) + 1)})
        assert problem(nobody.get(spoilt.raw_path.decode()), 404)
        assert me.delete(f"/v1/reports/{report['id']}").status_code == 204
        assert problem(nobody.get(link.raw_path.decode()), 404)


def test_they_are_listed_the_newest_first_and_by_kind(me: httpx.Client) -> None:
    ids = [
        new_report(me)["id"],
        new_report(me, kind="yearly", period="2026")["id"],
        new_report(me, period="2026-04")["id"],
    ]
    listed = read(me, "/v1/reports")["items"]
    assert [one["id"] for one in listed] == ids[::-1]
    assert "figures" not in listed[0]
    assert [one["id"] for one in read(me, "/v1/reports", kind="yearly")["items"]] == [ids[1]]
    page = read(me, "/v1/reports", limit=2)
    rest = read(me, "/v1/reports", limit=2, cursor=page["next_cursor"])
    assert [one["id"] for one in page["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None


def test_the_same_one_is_not_there_twice(me: httpx.Client, build: Build) -> None:
    report = built(me, build)
    again = me.post("/v1/reports", json={"kind": "monthly", "period": "2026-05", "currency": "EUR"})
    assert (again.status_code, again.headers["Location"]) == (202, f"/v1/reports/{report['id']}")
    assert again.json()["state"] == "succeeded"
    assert len(read(me, "/v1/reports")["items"]) == 1
    assert len(read(me, "/v1/notifications", kind="report.ready")["items"]) == 1


def test_a_late_expense_shows_at_once_that_it_is_stale(
    me: httpx.Client, database: Database, build: Build
) -> None:
    report = built(me, build)
    new_expense(me, "5.00", spent_on="2026-05-30")
    with database.transaction() as session:
        settle_evaluations(session)
    stale = read(me, f"/v1/reports/{report['id']}")
    assert (stale["is_stale"], stale["state"], stale["figures"]) == (True, "succeeded", report["figures"])
    assert new_report(me)["state"] == "queued"
    assert read(me, f"/v1/reports/{report['id']}")["figures"] == report["figures"]
    assert build() == 1
    assert read(me, f"/v1/reports/{report['id']}")["figures"]["total"] == "5.00"


def test_it_is_deleted_in_the_version_that_was_seen(me: httpx.Client) -> None:
    path = f"/v1/reports/{new_report(me)['id']}"
    assert problem(me.delete(path, headers={"If-Match": '"7"'}), 412)
    assert me.delete(path, headers={"If-Match": '"1"'}).status_code == 204
    assert problem(me.get(path), 404)
    assert problem(me.delete(path), 404)


def test_a_stranger_finds_nothing(cast: Cast, build: Build) -> None:
    report = built(cast.owner.client, build)
    for other in (cast.member.client, cast.stranger.client):
        for path in (f"/v1/reports/{report['id']}", f"/v1/reports/{report['id']}/download"):
            assert problem(other.get(path), 404)
        assert problem(other.delete(f"/v1/reports/{report['id']}"), 404)
        assert read(other, "/v1/reports")["items"] == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"kind": "monthly"}, ["/period"]),
        ({"period": "2026-05"}, ["/kind"]),
        ({"kind": "weekly", "period": "2026-05"}, ["/kind"]),
        ({"kind": "monthly", "period": "2026-5"}, ["/period"]),
        ({"kind": "monthly", "period": 2026}, ["/period"]),
        ({"kind": "monthly", "period": "2200-05"}, ["/period"]),
        ({"kind": "yearly", "period": "2026-05"}, ["/period"]),
        ({"kind": "monthly", "period": "2026-05", "currency": "EUX"}, ["/currency"]),
        ({"kind": "monthly", "period": "2026-05", "name": "May"}, ["/name"]),
    ],
)
def test_what_is_wrong_is_named(me: httpx.Client, body: dict[str, Any], fields: list[str]) -> None:
    assert wrong_fields(me.post("/v1/reports", json=body)) == fields
