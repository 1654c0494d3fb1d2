"""The list of a group's expenses: every filter, and every page."""

from typing import Any

import httpx
import pytest

from tests.api.calls import read, wrong_fields
from tests.api.groups import MadeGroup, make_group
from tests.api.test_group_expenses import add, listed
from tests.cast import Cast


@pytest.fixture
def flat(cast: Cast) -> MadeGroup:
    """The owner's and the member's."""
    return make_group(cast.owner, cast.member)


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def test_the_list_is_narrowed_by_days_currency_and_category(me: httpx.Client, flat: MadeGroup) -> None:
    for day, amount, currency, category in (
        (1, "1.00", "EUR", "Food"),
        (2, "2.00", "USD", "Food"),
        (3, "3.00", "EUR", None),
        (4, "4.00", "EUR", "Fun"),
    ):
        add(me, flat, amount, currency=currency, category=category, spent_on=f"2026-05-0{day}")
    assert listed(me, flat) == ["4.00", "3.00", "2.00", "1.00"]
    assert listed(me, flat, **{"from": "2026-05-02", "to": "2026-05-03"}) == ["3.00", "2.00"]
    assert listed(me, flat, currency="USD") == ["2.00"]
    assert listed(me, flat, category="Food") == ["2.00", "1.00"]
    assert listed(me, flat, category="Food", currency="EUR", to="2026-05-01") == ["1.00"]
    assert listed(me, flat, category="Nothing") == []
    another = me.post("/v1/groups", json={"name": "Another"}).json()
    assert listed(me, MadeGroup(another["id"], {})) == []


def test_pages_neither_repeat_nor_miss_one_while_others_come(me: httpx.Client, flat: MadeGroup) -> None:
    wanted = [add(me, flat, f"{n + 1}.00", spent_on=f"2026-05-0{1 + n // 3}")["id"] for n in range(7)]
    found, cursor = list[str](), None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = read(me, f"{flat.path}/expenses", **query)
        found += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        add(me, flat, "99.00", spent_on="2026-06-01")
    assert found == wanted[::-1]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"limit": 0}, ["limit"]),
        ({"limit": 201}, ["limit"]),
        ({"cursor": "nonsense"}, ["cursor"]),
        ({"cursor": "WyIwMTk4ZjNhNS02YzFlLTdkNDItOWIwNy01ZTJmOGE0MWMzZDYiXQ"}, ["cursor"]),
        ({"from": "2026-13-01"}, ["from"]),
        ({"currency": "euro"}, ["currency"]),
        ({"payer": "me"}, ["payer"]),
        ({"category": "null"}, []),
    ],
)
def test_a_wrong_parameter_is_named(
    me: httpx.Client, flat: MadeGroup, query: dict[str, Any], names: list[str]
) -> None:
    answer = me.get(f"{flat.path}/expenses", params=query)
    assert (wrong_fields(answer) if names else answer.status_code) == (names or 200)
