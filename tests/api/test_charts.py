"""Charts over HTTP: pictures that say what the figures say, safe to open, and of nobody else's money."""

from xml.etree import ElementTree

import httpx
import pytest

from tests.api.calls import new_category, new_expense, problem, read, wrong_fields
from tests.api.test_budgets import new_budget, today
from tests.cast import Cast

NAMES = ["spending-by-category", "spending-over-time", "budget-progress", "group-balances"]
MAY = {"from": "2026-05-01", "to": "2026-05-31"}


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


@pytest.fixture
def group_id(me: httpx.Client) -> str:
    answer = me.post("/v1/groups", json={"name": "Lisbon"})
    found: str = answer.json()["id"]
    return found


def texts(client: httpx.Client, name: str, **query: str) -> list[str]:
    answer = client.get(f"/v1/analytics/charts/{name}.svg", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/svg+xml"
    root = ElementTree.fromstring(answer.text)
    return [text for element in root.iter() if (text := (element.text or "").strip())]


def test_spending_is_drawn_with_its_amounts(me: httpx.Client) -> None:
    food = new_category(me, name="Eating & <b>drinking</b>")
    new_expense(me, amount="1234.50", spent_on="2026-05-04", category_id=food["id"])
    new_expense(me, amount="700", currency="JPY", spent_on="2026-05-04")
    shown = texts(me, "spending-by-category", **MAY)
    assert "€1,234.50" in shown
    assert "Without ¥700, for want of an exchange rate." in shown
    assert any("drinking" in text for text in shown)
    assert any("€1,234.50 in total" in text for text in texts(me, "spending-over-time", **MAY))


def test_budgets_and_balances_are_drawn_as_they_are_now(me: httpx.Client, group_id: str) -> None:
    new_budget(me, name="Food", amount="100.00")
    new_expense(me, amount="25.00", spent_on=today().isoformat())
    assert "€25.00 of €100.00" in texts(me, "budget-progress")
    assert any("Lisbon" in text for text in texts(me, "group-balances", group_id=group_id))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_each_chart_is_drawn_without_anything_to_show(
    me: httpx.Client, group_id: str, name: str, theme: str
) -> None:
    query = {"theme": theme, "group_id": group_id}
    picture = me.get(f"/v1/analytics/charts/{name}.png", params=query)
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(picture.content[16:20], "big") == 1280
    assert texts(me, name, **query)
    assert "vega-lite" in read(me, f"/v1/analytics/charts/{name}.json", **query)["$schema"]


def test_a_picture_opened_by_itself_can_do_nothing(me: httpx.Client) -> None:
    headers = me.get("/v1/analytics/charts/budget-progress.svg").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Content-Security-Policy"].endswith("sandbox")
    assert headers["Cache-Control"].startswith("private")


@pytest.mark.parametrize(
    ("name", "query", "field"),
    [
        ("spending-over-time", {"from": "1900-01-01"}, "from"),
        ("spending-over-time", {"from": "2026-05-02", "to": "2026-05-01"}, "to"),
        ("spending-by-category", {"currency": "XXX"}, "currency"),
        ("spending-by-category", {"theme": "pink"}, "theme"),
        ("group-balances", {}, "group_id"),
    ],
)
def test_what_is_wrong_is_named(me: httpx.Client, name: str, query: dict[str, str], field: str) -> None:
    for suffix in ("svg", "png", "json"):
        assert wrong_fields(me.get(f"/v1/analytics/charts/{name}.{suffix}", params=query)) == [field]


@pytest.mark.parametrize("name", ["pie", "..", "spending-by-category.svg"])
def test_there_are_no_other_charts(me: httpx.Client, name: str) -> None:
    problem(me.get(f"/v1/analytics/charts/{name}.svg"), 404)


def test_a_strangers_group_is_no_group(cast: Cast, group_id: str) -> None:
    path = "/v1/analytics/charts/group-balances.svg"
    problem(cast.stranger.client.get(path, params={"group_id": group_id}), 404)
