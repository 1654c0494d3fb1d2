"""The list of expenses: every filter, the search, every order, every page."""

from typing import Any, get_args
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from core.database import Database
from core.models import Expense
from core.queries.expenses import Sort
from tests.api.calls import amounts, new_category, new_expense, read, wrong_fields
from tests.cast import Cast

MISSING = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def test_both_days_of_a_range_belong_to_it(me: httpx.Client) -> None:
    for day in range(1, 6):
        new_expense(me, f"{day}.00", spent_on=f"2026-01-0{day}")
    query = {"from": "2026-01-02", "to": "2026-01-04", "sort": "spent_on"}
    assert amounts(me, **query) == ["2.00", "3.00", "4.00"]
    assert amounts(me, **{"from": "2026-01-05"}) == ["5.00"]
    assert amounts(me, to="2026-01-01") == ["1.00"]
    assert amounts(me, **{"from": "2026-01-04", "to": "2026-01-02"}) == []


def test_a_category_brings_its_sub_categories_and_lines(me: httpx.Client) -> None:
    top, other = new_category(me, "Top"), new_category(me, "Another")
    child = new_category(me, "Child", parent_id=top["id"])
    new_expense(me, "1.00", category_id=top["id"])
    new_expense(me, "2.00", category_id=child["id"])
    new_expense(me, "3.00", category_id=other["id"])
    parts = [{"amount": "1.00", "category_id": other["id"]}, {"amount": "3.00", "category_id": child["id"]}]
    new_expense(me, "4.00", lines=parts)
    new_expense(me, "5.00")
    assert amounts(me, category_id=top["id"], sort="amount") == ["1.00", "2.00", "4.00"]
    assert amounts(me, category_id=child["id"], sort="amount") == ["2.00", "4.00"]
    assert amounts(me, category_id=other["id"], sort="amount") == ["3.00", "4.00"]
    assert amounts(me, category_id=MISSING) == []


def test_the_list_can_be_narrowed_to_a_currency(me: httpx.Client) -> None:
    new_expense(me, "1.00")
    new_expense(me, "200", currency="JPY")
    assert amounts(me, currency="JPY") == ["200"]


def test_amounts_are_compared_in_whole_units_whatever_the_currency(me: httpx.Client) -> None:
    for amount, currency in (
        ("-5.00", "EUR"), ("5.00", "EUR"), ("7", "JPY"), ("6.001", "KWD"), ("5.5000", "CLF"),
    ):  # fmt: skip
        new_expense(me, amount, currency=currency)
    assert amounts(me, sort="amount") == ["-5.00", "5.00", "5.5000", "6.001", "7"]
    assert amounts(me, sort="amount", min_amount="5.5", max_amount="6.001") == ["5.5000", "6.001"]
    assert amounts(me, sort="amount", max_amount="-0.01") == ["-5.00"]
    assert amounts(me, min_amount="6.0011") == ["7"]
    assert amounts(me, min_amount="999999999999999.9999") == []
    assert len(amounts(me, min_amount="-999999999999999.9999")) == 5


def test_the_list_can_be_narrowed_to_a_tag(me: httpx.Client) -> None:
    new_expense(me, "1.00", tags=["home", "größe"])
    new_expense(me, "2.00", tags=["homely"])
    assert amounts(me, tag="home") == ["1.00"]
    assert amounts(me, tag="größe") == ["1.00"]
    assert amounts(me, tag="hom") == []


def test_a_payee_is_found_by_the_whole_name_in_any_case(me: httpx.Client) -> None:
    new_expense(me, "1.00", payee="Straße 7")
    new_expense(me, "2.00", payee="Straße 77")
    new_expense(me, "3.00")
    assert amounts(me, payee="STRASSE 7") == ["1.00"]
    assert amounts(me, payee="straße 77") == ["2.00"]


def test_the_list_can_be_narrowed_to_a_source(me: httpx.Client, cast: Cast, database: Database) -> None:
    imported = new_expense(me, "1.00")
    new_expense(me, "2.00")
    with database.transaction() as session:
        session.execute(update(Expense).where(Expense.id == UUID(imported["id"])).values(source="import"))
    assert amounts(me, source="import") == ["1.00"]
    assert amounts(me, source="manual") == ["2.00"]


def test_filters_narrow_together(me: httpx.Client) -> None:
    category = new_category(me, "Bread")
    wanted = {"category_id": category["id"], "tags": ["t"], "payee": "Bakery", "note": "warm rolls"}
    new_expense(me, "5.00", **wanted)
    for different in ({"tags": []}, {"payee": "Baker"}, {"note": "cold"}, {"category_id": None}):
        new_expense(me, "6.00", **{**wanted, **different})
    query = {"category_id": category["id"], "tag": "t", "payee": "bakery", "q": "ROLLS", "min_amount": "1"}
    assert amounts(me, **query) == ["5.00"]


SEARCHED = [
    "Ein GROSSER Spaß",
    "Crème Brûlée",
    "cre\u0300me decomposed",
    "İstanbul ΣΊΣΥΦΟΣ",
    "100% off_sale",
    "back\\slash / per[cent] ^x",
    "日本語のメモ ｶﾞ",
    "\U0001f950 croissant",
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("spass", [0]),
        ("ein grosser SPASS", [0]),
        ("CRÈME", [1, 2]),
        ("σίσυφος", [3]),
        ("istanbul", []),
        ("i\u0307STANBUL", [3]),
        ("%", [4]),
        ("0% O", [4]),
        ("_", [4]),
        ("f_s", [4]),
        ("a_e", []),
        ("\\", [5]),
        ("k\\s", [5]),
        ("/", [5]),
        ("[cent]", [5]),
        ("語の", [6]),
        ("ガ", [6]),
        ("\U0001f950", [7]),
        ("nothing like it", []),
    ],
)
def test_the_search_takes_text_literally_in_any_case(me: httpx.Client, text: str, found: list[int]) -> None:
    items = [{"amount": f"{n}", "note": note} for n, note in enumerate(SEARCHED)]
    assert me.post("/v1/expenses/bulk", json={"items": items}).status_code == 201
    assert amounts(me, q=text, sort="amount") == [f"{n}.00" for n in found]


def test_the_search_looks_into_payee_note_tags_and_lines(me: httpx.Client) -> None:
    new_expense(me, "1.00", payee="Needle & Co")
    new_expense(me, "2.00", note="a needle in hay")
    new_expense(me, "3.00", tags=["needle"])
    new_expense(me, "4.00", lines=[{"amount": "4.00", "note": "needle"}])
    new_expense(me, "5.00", payee="nee", note="dle")
    assert amounts(me, q="NEEDLE", sort="amount") == ["1.00", "2.00", "3.00", "4.00"]


def test_a_change_is_searched_by_what_it_says_now(me: httpx.Client) -> None:
    expense = new_expense(me, "1.00", payee="Old", tags=["older"])
    me.patch(f"/v1/expenses/{expense['id']}", json={"payee": "New", "tags": ["newer"]})
    assert amounts(me, q="old") == amounts(me, payee="old") == amounts(me, tag="older") == []
    assert amounts(me, q="newer") == amounts(me, payee="new") == amounts(me, tag="newer") == ["1.00"]


def order_of(sort: Sort, item: dict[str, Any]) -> Any:
    match sort.removeprefix("-"):
        case "spent_on":
            return item["spent_on"], item["id"]
        case "amount":
            return float(item["amount"]), item["id"]
        case _:
            return item["id"]


@pytest.mark.parametrize("sort", get_args(Sort))
def test_pages_show_each_row_once_while_rows_come_and_go(me: httpx.Client, sort: Sort) -> None:
    # Two days and three amounts over 23 rows: nearly every comparison is a tie.
    items = [
        {"amount": f"{n % 3}", "spent_on": f"2026-01-0{1 + n % 2}", "currency": ("EUR", "KWD")[n % 2]}
        for n in range(23)
    ]
    there = me.post("/v1/expenses/bulk", json={"items": items}).json()["items"]
    doomed = there.pop(11)
    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"sort": sort, "limit": 4}
    for _ in range(20):
        page = read(me, "/v1/expenses", **query)
        seen += page["items"]
        # Ties with what was shown and what comes, and rows at both ends.
        for amount, day in (("1", "2026-01-01"), ("99", "2026-01-09"), ("-99", "2025-01-01")):
            new_expense(me, amount, spent_on=day)
        if len(seen) == 4:
            me.delete(f"/v1/expenses/{doomed['id']}")
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        if len({item["id"] for item in seen} & {item["id"] for item in there}) == len(there):
            break
    ids = [item["id"] for item in seen]
    assert len(ids) == len(set(ids))
    assert {item["id"] for item in there} <= set(ids)
    assert seen == sorted(seen, key=lambda item: order_of(sort, item), reverse=sort.startswith("-"))


def test_the_last_page_has_no_cursor(me: httpx.Client) -> None:
    for _ in range(4):
        new_expense(me)
    first = read(me, "/v1/expenses", limit=2)
    second = read(me, "/v1/expenses", limit=2, cursor=first["next_cursor"])
    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (2, 2, None)
    assert read(me, "/v1/expenses", limit=4)["next_cursor"] is None


def test_the_newest_day_comes_first_unless_asked_otherwise(me: httpx.Client) -> None:
    for day in ("2026-01-02", "2026-01-03", "2026-01-01"):
        new_expense(me, f"{int(day[-1])}.00", spent_on=day)
    assert amounts(me) == ["3.00", "2.00", "1.00"]


def test_a_cursor_fits_only_the_list_that_it_came_from(me: httpx.Client) -> None:
    for _ in range(2):
        new_expense(me)
    cursor = read(me, "/v1/expenses", limit=1)["next_cursor"]
    for sort in set(get_args(Sort)) - {"-spent_on"}:
        assert wrong_fields(me.get("/v1/expenses", params={"sort": sort, "cursor": cursor})) == ["cursor"]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-13-01"},
        {"from": "null"},
        {"category_id": "null"},
        {"category_id": "7"},
        {"currency": "euro"},
        {"min_amount": "1e3"},
        {"min_amount": "5\n"},
        {"max_amount": "NaN"},
        {"max_amount": "9999999999999999"},
        {"q": ""},
        {"q": "x" * 201},
        {"q": "\0"},
        {"tag": "x" * 51},
        {"payee": "\0"},
        {"in_trash": "maybe"},
        {"sort": "id"},
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "-1"},
        {"limit": "9" * 400},
        {"fromm": "2026-01-01"},
    ],
)
def test_a_wrong_parameter_is_named(me: httpx.Client, query: dict[str, str]) -> None:
    assert wrong_fields(me.get("/v1/expenses", params=query)) == list(query)
