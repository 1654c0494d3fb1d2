"""How an expense of a group is divided: every kind of split, to the minor unit, and what is no split."""

from typing import Any

import httpx
import pytest

from tests.api.calls import problem, read, wrong_fields
from tests.api.groups import MadeGroup, add_name, make_group, viewer
from tests.cast import Cast, register

MISSING = "018f0000-0000-7000-8000-000000000000"

Split = dict[str, Any]


class Flat:
    """A group of the owner and the member with Dot, who has no account: `a`, `b` and `c` in what follows."""

    def __init__(self, cast: Cast) -> None:
        self.group: MadeGroup = make_group(cast.owner, cast.member)
        dot = add_name(cast.owner, self.group, "Dot")
        self.ids = {"a": self.group.member(cast.owner), "b": self.group.member(cast.member), "c": dot}
        self.client: httpx.Client = cast.owner.client

    def post(self, amount: str, **fields: Any) -> httpx.Response:
        body = {"amount": amount, "description": "Dinner", "spent_on": "2026-05-04", **fields}
        return self.client.post(f"{self.group.path}/expenses", json=self.with_ids(body))

    def add(self, amount: str, **fields: Any) -> dict[str, Any]:
        answer = self.post(amount, **fields)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        assert read(self.client, answer.headers["Location"]) == found
        return found

    def shares(self, amount: str, split: Split, **fields: Any) -> dict[str, str]:
        """Each one's share of an expense that is divided so; they must sum to it."""
        expense = self.add(amount, split=split, **fields)
        shares = self.named(expense["shares"])
        assert sum(map(_minor, shares.values())) == _minor(expense["amount"])
        return shares

    def named(self, parts: list[dict[str, str]]) -> dict[str, str]:
        names = {member_id: name for name, member_id in self.ids.items()}
        return {names[part["member_id"]]: part["amount"] for part in parts}

    def with_ids(self, value: Any) -> Any:
        """The value with the members' ids in place of their names."""
        if isinstance(value, str):
            return self.ids.get(value, value)
        if isinstance(value, list):
            return [self.with_ids(part) for part in value]
        if isinstance(value, dict):
            return {key: self.with_ids(part) for key, part in value.items()}
        return value


@pytest.fixture
def flat(cast: Cast) -> Flat:
    return Flat(cast)


def equal(*names: str) -> Split:
    return {"kind": "equal", "member_ids": list(names)}


def by(kind: str, *values: tuple[str, Any]) -> Split:
    return {"kind": kind, "shares": [{"member_id": name, "value": value} for name, value in values]}


def item(amount: Any, *names: str) -> dict[str, Any]:
    return {"amount": amount, "member_ids": list(names), "description": ""}


def itemised(*items: dict[str, Any], **extras: Any) -> Split:
    return {"kind": "itemised", "items": list(items), **extras}


def _minor(amount: str) -> int:
    return int(amount.replace(".", ""))


@pytest.mark.parametrize(
    ("amount", "split", "shares"),
    [
        ("30.00", equal(), {"a": "10.00", "b": "10.00", "c": "10.00"}),
        ("30.00", equal("b", "c"), {"b": "15.00", "c": "15.00"}),
        ("30.00", equal("b"), {"b": "30.00"}),
        ("-30.00", equal("a", "b"), {"a": "-15.00", "b": "-15.00"}),
        ("10.00", by("shares", ("a", "1"), ("b", "2"), ("c", "1")), {"a": "2.50", "b": "5.00", "c": "2.50"}),
        ("10.00", by("shares", ("a", "0.5"), ("b", 1.5)), {"a": "2.50", "b": "7.50"}),
        ("10.00", by("shares", ("a", "1"), ("b", "0")), {"a": "10.00", "b": "0.00"}),
        ("1000.00", by("shares", ("a", "2851.37"), ("b", "1999.99")), {"a": "587.75", "b": "412.25"}),
        ("80.00", by("percent", ("a", "12.5"), ("b", "87.5")), {"a": "10.00", "b": "70.00"}),
        (
            "99.99",
            by("percent", ("a", "33.333333"), ("b", "33.333333"), ("c", "33.333334")),
            {"a": "33.33", "b": "33.33", "c": "33.33"},
        ),
        ("10.00", by("exact", ("a", "9.99"), ("b", "0.01")), {"a": "9.99", "b": "0.01"}),
        ("10.00", by("exact", ("a", "15.00"), ("b", "-5")), {"a": "15.00", "b": "-5.00"}),
        ("-10.00", by("exact", ("a", -4), ("b", "-6.00")), {"a": "-4.00", "b": "-6.00"}),
        ("30.00", by("adjustment", ("a", 6), ("b", 0), ("c", "0")), {"a": "14.00", "b": "8.00", "c": "8.00"}),
        ("30.00", by("adjustment", ("a", "-3.00"), ("b", "0.00")), {"a": "13.50", "b": "16.50"}),
        (
            "33.00",
            itemised(item("20.00", "a"), item("10.00", "b", "c"), tax="2.00", tip="1.00"),
            {"a": "22.00", "b": "5.50", "c": "5.50"},
        ),
        ("24.00", itemised(item("30.00"), item("-6.00", "c")), {"a": "10.00", "b": "10.00", "c": "4.00"}),
        ("-9.00", itemised(item("-10.00", "a", "b"), tax="1.00"), {"a": "-4.50", "b": "-4.50"}),
    ],
)  # fmt: skip
def test_every_kind_of_split_gives_the_exact_shares(
    flat: Flat, amount: str, split: Split, shares: dict[str, str]
) -> None:
    assert flat.shares(amount, split) == shares


@pytest.mark.parametrize(
    ("amount", "currency", "shares"),
    [
        ("10.00", "EUR", ["3.33", "3.33", "3.34"]),
        ("0.02", "EUR", ["0.00", "0.01", "0.01"]),
        ("-0.02", "EUR", ["-0.01", "-0.01", "0.00"]),
        ("100", "JPY", ["33", "33", "34"]),
        ("1", "JPY", ["0", "0", "1"]),
        ("1.000", "KWD", ["0.333", "0.333", "0.334"]),
        ("0.0100", "CLF", ["0.0033", "0.0033", "0.0034"]),
        ("100000000000.00", "EUR", ["33333333333.33", "33333333333.33", "33333333333.34"]),
    ],
)
def test_the_odd_unit_goes_to_somebody_in_every_currency(
    flat: Flat, amount: str, currency: str, shares: list[str]
) -> None:
    found = flat.shares(amount, equal("c", "a", "b"), currency=currency)
    assert sorted(found.values(), key=float) == shares


def test_the_odd_cent_goes_round(flat: Flat) -> None:
    unlucky = {
        name for _ in range(40) for name, share in flat.shares("0.01", equal()).items() if share == "0.01"
    }
    assert unlucky == {"a", "b", "c"}


def test_a_split_is_shown_as_it_was_said_with_everybody_named(flat: Flat) -> None:
    everybody = set(flat.ids.values())
    shown = flat.add("10.00", split=equal())["split"]
    assert (shown["kind"], set(shown["member_ids"])) == ("equal", everybody)
    shown = flat.add("10.00", split=itemised(item(10, "a", "b"), tip=None))["split"]
    given = {"amount": "10", "member_ids": [flat.ids["a"], flat.ids["b"]], "description": ""}
    assert shown == {"kind": "itemised", "items": [given], "tax": None, "tip": None}
    shown = flat.add("10.00", split=by("shares", ("b", 1.50), ("a", "2")))["split"]
    assert [(one["member_id"], one["value"]) for one in shown["shares"]] == [
        (flat.ids["b"], "1.5"),
        (flat.ids["a"], "2"),
    ]


def test_who_joins_later_has_no_part_in_what_everybody_shared(flat: Flat, cast: Cast) -> None:
    expense = flat.add("30.00", split=equal())
    add_name(cast.owner, flat.group, "Eve")
    path = f"{flat.group.path}/expenses/{expense['id']}"
    patched = cast.owner.client.patch(path, json={"amount": "33.00"})
    assert flat.named(patched.json()["shares"]) == {"a": "11.00", "b": "11.00", "c": "11.00"}


def test_several_may_pay_and_payments_are_exact(flat: Flat) -> None:
    paid = [{"member_id": "b", "amount": "19.99"}, {"member_id": "c", "amount": 10.01}]
    expense = flat.add("30.00", paid_by=paid)
    assert flat.named(expense["paid_by"]) == {"b": "19.99", "c": "10.01"}
    assert flat.named(expense["shares"]) == {"a": "10.00", "b": "10.00", "c": "10.00"}


def test_by_default_the_caller_has_paid_and_the_groups_default_split_holds(flat: Flat, cast: Cast) -> None:
    expense = flat.add("30.00")
    assert flat.named(expense["paid_by"]) == {"a": "30.00"}
    assert flat.named(expense["shares"]) == {"a": "10.00", "b": "10.00", "c": "10.00"}
    shares = [{"member_id": flat.ids["a"], "value": "75"}, {"member_id": flat.ids["c"], "value": "25"}]
    changed = cast.owner.client.patch(
        flat.group.path, json={"default_split": {"kind": "percent", "shares": shares}}
    )
    assert changed.status_code == 200, changed.text
    assert flat.named(flat.add("30.00")["shares"]) == {"a": "22.50", "c": "7.50"}
    body = {"amount": "30.00", "description": "Taxi", "paid_by": []}
    by_member = cast.member.client.post(f"{flat.group.path}/expenses", json=body).json()
    assert flat.named(by_member["paid_by"]) == {"b": "30.00"}


def test_viewers_take_part_only_where_they_are_named(flat: Flat, cast: Cast, client: httpx.Client) -> None:
    flat.ids["d"] = viewer(cast.owner, flat.group, cast.stranger)
    assert flat.named(flat.add("30.00")["shares"]).keys() == {"a", "b", "c"}
    assert flat.shares("30.00", itemised(item("30.00"))).keys() == {"a", "b", "c"}
    assert flat.shares("30.00", equal("d", "a")) == {"a": "15.00", "d": "15.00"}
    assert flat.named(flat.add("9.00", paid_by=[{"member_id": "d", "amount": "9.00"}])["paid_by"]) == {
        "d": "9.00"
    }


@pytest.mark.parametrize(
    ("split", "pointer", "detail"),
    [
        (equal(MISSING), "/split/member_ids/0", "no such member"),
        (equal("a", "a"), "/split/member_ids/1", "is there twice"),
        (by("shares", ("a", "1"), (MISSING, "1")), "/split/shares/1/member_id", "no such member"),
        (by("shares", ("a", "1"), ("a", "1")), "/split/shares/1/member_id", "is there twice"),
        (by("shares", ("a", "0"), ("b", "0")), "/split/shares", "at least one must be above zero"),
        (by("shares", ("a", "-1"), ("b", "2")), "/split/shares/0/value", "decimal number"),
        (by("shares", ("a", "1e3")), "/split/shares/0/value", "decimal number"),
        (by("shares", ("a", "1.0000001")), "/split/shares/0/value", "at most 6 decimals"),
        (by("shares", ("a", "1000000000001")), "/split/shares/0/value", "at most 1000000000000"),
        (by("shares", ("a", None)), "/split/shares/0/value", "decimal number"),
        (by("shares", ("a", {})), "/split/shares/0/value", "decimal number"),
        (by("percent", ("a", "50"), ("b", "49.5")), "/split/shares", "miss 100 by 0.5: they come to 99.5"),
        (by("percent", ("a", "100.000001")), "/split/shares", "miss 100 by 0.000001"),
        (by("exact", ("a", "5.00"), ("b", "4.98")), "/split/shares", "by 0.02 EUR: they come to 9.98 EUR"),
        (by("exact", ("a", "-10.00")), "/split/shares", "by 20.00 EUR: they come to -10.00 EUR"),
        (by("exact", ("a", "10.000")), "/split/shares/0/value", "EUR has 2 decimals"),
        (by("adjustment", ("a", "8"), ("b", "4")), "/split/shares", "exceed the amount by 2.00 EUR"),
        (itemised(item("9.00", "a")), "/split/items", "by 1.00 EUR: they come to 9.00 EUR"),
        (itemised(item("9.00", "a"), tax="0.99"), "/split/items", "by 0.01 EUR: they come to 9.99 EUR"),
        (itemised(item("10.00", "a", MISSING)), "/split/items/0/member_ids/1", "no such member"),
        (itemised(item("1.00"), item("9.00", "b", "b")), "/split/items/1/member_ids/1", "is there twice"),
        (itemised(item("x", "a")), "/split/items/0/amount", "decimal number"),
        (itemised(item("9.00", "a"), tax="x"), "/split/tax", "decimal number"),
        (itemised(item("5.00", "a"), item("-5.00", "b"), tip="10.00"), "/split/tip", "come to zero"),
    ],
)
def test_a_bad_split_says_where_and_by_how_much_it_misses(
    flat: Flat, split: Split, pointer: str, detail: str
) -> None:
    answer = flat.post("10.00", split=split)
    (error,) = problem(answer, 422)["errors"]
    assert error["pointer"] == pointer
    assert detail in error["detail"]
    expense = flat.add("10.00")
    path = f"{flat.group.path}/expenses/{expense['id']}"
    patched = flat.client.patch(path, json=flat.with_ids({"split": split}))
    assert problem(patched, 422)["errors"] == [error]
    assert read(flat.client, path) == expense


@pytest.mark.parametrize(
    ("split", "pointers"),
    [
        ({"kind": "fair"}, ["/split/kind"]),
        ({"member_ids": []}, ["/split/kind"]),
        ({"kind": "shares", "shares": []}, ["/split/shares"]),
        ({"kind": "itemised", "items": []}, ["/split/items"]),
        ({"kind": "itemised", "items": [item("0.01")] * 201}, ["/split/items"]),
        ({"kind": "equal", "member_ids": ["nobody"]}, ["/split/member_ids/0"]),
        ({"kind": "equal", "members": []}, ["/split/members"]),
        ({"kind": "equal", "member_ids": [MISSING] * 101}, ["/split/member_ids"]),
    ],
)
def test_what_is_no_split_at_all_is_refused(flat: Flat, split: Split, pointers: list[str]) -> None:
    answer = flat.client.post(
        f"{flat.group.path}/expenses", json={"amount": "10.00", "description": "Dinner", "split": split}
    )
    assert wrong_fields(answer) == pointers


def test_members_of_another_group_are_no_members(flat: Flat, cast: Cast) -> None:
    other = make_group(cast.owner, cast.member)
    for member_id in other.members.values():
        assert wrong_fields(flat.post("1.00", split=equal(member_id))) == ["/split/member_ids/0"]
        paid = [{"member_id": member_id, "amount": "1.00"}]
        assert wrong_fields(flat.post("1.00", paid_by=paid)) == ["/paid_by/0/member_id"]


def test_a_new_amount_is_divided_as_the_old_one_or_refused(flat: Flat) -> None:
    percent = flat.add("10.00", split=by("percent", ("a", "25"), ("b", "75")))
    patched = flat.client.patch(
        f"{flat.group.path}/expenses/{percent['id']}", json={"amount": "20.00"}
    ).json()
    assert flat.named(patched["shares"]) == {"a": "5.00", "b": "15.00"}
    assert flat.named(patched["paid_by"]) == {"a": "20.00"}
    exact = flat.add("10.00", split=by("exact", ("a", "2.50"), ("b", "7.50")))
    path = f"{flat.group.path}/expenses/{exact['id']}"
    (error,) = problem(flat.client.patch(path, json={"amount": "11.00"}), 422)["errors"]
    assert error["pointer"] == "/split/shares"
    assert "miss the amount by 1.00 EUR: they come to 10.00 EUR" in error["detail"]


def test_names_and_people_of_any_size_of_group_are_divided_among(client: httpx.Client) -> None:
    with register(client, "founder") as founder:
        group = make_group(founder)
        for number in range(29):
            add_name(founder, group, f"Member {number}")
        body = {"amount": "100.00", "description": "Bus"}
        shares = founder.client.post(f"{group.path}/expenses", json=body).json()["shares"]
    assert sorted(share["amount"] for share in shares) == ["3.33"] * 20 + ["3.34"] * 10
