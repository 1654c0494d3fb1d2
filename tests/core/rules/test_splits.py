from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.apportionment import rotation_of
from core.rules.money import MAX_AMOUNT_MINOR, AmountError
from core.rules.splits import (
    MAX_ITEMS,
    MAX_VALUE,
    Adjustment,
    Equal,
    Exact,
    Item,
    Itemised,
    Percent,
    Shares,
    Split,
    SplitError,
    SplitValueError,
    fair_shares,
    parse_value,
    resolve_split,
)
from tests.core.rules.strategies import currencies, patient

ANN, BEN, CLEO = (UUID(int=number) for number in (1, 2, 3))

members = st.lists(st.uuids(), min_size=1, max_size=6, unique=True).map(tuple)
rotations = st.integers(0, 2**64 - 1)
amounts = st.one_of(st.integers(-1000, 1000), st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR))

Case = tuple[Split, int]
"""A split, and an amount that it divides."""


@st.composite
def equal_cases(draw: st.DrawFn) -> Case:
    return Equal(draw(members)), draw(amounts)


@st.composite
def shares_cases(draw: st.DrawFn) -> Case:
    values = st.one_of(st.just(Fraction(0)), st.decimals(0, 1000, places=6).map(Fraction))
    weights = draw(st.dictionaries(st.uuids(), values, max_size=5))
    return Shares({draw(st.uuids()): draw(values.filter(bool)), **weights}), draw(amounts)


@st.composite
def percent_cases(draw: st.DrawFn) -> Case:
    cuts = sorted([0, 10**8, *draw(st.lists(st.integers(0, 10**8), max_size=5))])
    parts = [Fraction(end - start, 10**6) for start, end in pairwise(cuts)]
    ids = draw(st.lists(st.uuids(), min_size=len(parts), max_size=len(parts), unique=True))
    return Percent(dict(zip(ids, parts, strict=True))), draw(amounts)


@st.composite
def exact_cases(draw: st.DrawFn) -> Case:
    shares = draw(st.dictionaries(st.uuids(), amounts, min_size=1, max_size=6))
    return Exact(shares), sum(shares.values())


@st.composite
def adjustment_cases(draw: st.DrawFn) -> Case:
    half = st.integers(-MAX_AMOUNT_MINOR // 2, MAX_AMOUNT_MINOR // 2)
    adjustments = draw(st.dictionaries(st.uuids(), half, min_size=1, max_size=6))
    total, rest = sum(adjustments.values()), abs(draw(half))
    return Adjustment(adjustments), total + rest if total >= 0 else total - rest


@st.composite
def itemised_cases(draw: st.DrawFn) -> Case:
    """Discounts among the items, too; tax and tip unless the items come to zero."""
    ids = draw(members)
    of_some = st.lists(st.sampled_from(ids), min_size=1, unique=True).map(tuple)
    costs = st.one_of(st.integers(-(10**6), 10**6), st.sampled_from([0, 1, -1]))
    items = tuple(draw(st.lists(st.builds(Item, st.just("Soup"), costs, of_some), min_size=1, max_size=6)))
    total = sum(item.amount_minor for item in items)
    tax, tip = draw(st.tuples(costs, costs)) if total else (0, 0)
    return Itemised(items, tax, tip), total + tax + tip


cases = st.one_of(
    equal_cases(), shares_cases(), percent_cases(), exact_cases(), adjustment_cases(), itemised_cases()
)


def mirror(split: Split) -> Split:
    """The same split of the refund."""
    match split:
        case Exact(shares):
            return Exact({member: -share for member, share in shares.items()})
        case Adjustment(shares):
            return Adjustment({member: -share for member, share in shares.items()})
        case Itemised(items, tax, tip):
            mirrored = tuple(replace(item, amount_minor=-item.amount_minor) for item in items)
            return Itemised(mirrored, -tax, -tip)
        case _:
            return split


@patient
@given(case=cases, currency=currencies, rotation=rotations)
def test_shares_sum_to_the_amount_and_each_is_within_a_unit_of_the_fair_one(
    case: Case, currency: str, rotation: int
) -> None:
    split, amount = case
    shares = resolve_split(split, amount_minor=amount, currency=currency, rotation=rotation)
    fair = fair_shares(split, amount)
    assert sum(shares.values()) == sum(fair.values()) == amount
    assert shares.keys() == fair.keys()
    assert all(abs(shares[member] - fair[member]) < 1 for member in fair)


@patient
@given(case=cases, rotation=rotations)
def test_a_refund_gives_everybody_back_what_the_expense_took(case: Case, rotation: int) -> None:
    split, amount = case
    taken = resolve_split(split, amount_minor=amount, currency="EUR", rotation=rotation)
    given_back = resolve_split(mirror(split), amount_minor=-amount, currency="EUR", rotation=rotation)
    assert given_back == {member: -share for member, share in taken.items()}


@patient
@given(case=itemised_cases(), rotation=rotations, data=st.data())
def test_shares_depend_neither_on_the_order_of_items_nor_on_that_of_their_members(
    case: Case, rotation: int, data: st.DataObject
) -> None:
    split, amount = case
    assert isinstance(split, Itemised)
    items = data.draw(st.permutations(split.items))
    shuffled = tuple(replace(item, member_ids=item.member_ids[::-1]) for item in items)
    shares, again = (
        resolve_split(one, amount_minor=amount, currency="EUR", rotation=rotation)
        for one in (split, replace(split, items=shuffled))
    )
    assert shares == again


@patient
@given(ids=members, amount=amounts, rotation=rotations, currency=currencies)
def test_the_kinds_agree_where_they_say_the_same(
    ids: tuple[UUID, ...], amount: int, rotation: int, currency: str
) -> None:
    alike: list[Split] = [
        Equal(ids[::-1]),
        Shares(dict.fromkeys(ids, Fraction(7, 3))),
        Percent(dict.fromkeys(ids, Fraction(100, len(ids)))),
        Adjustment(dict.fromkeys(ids, 0)),
        Itemised((Item("All", amount, ids),), 0, 0),
    ]
    resolved = [resolve_split(s, amount_minor=amount, currency=currency, rotation=rotation) for s in alike]
    assert all(shares == resolved[0] for shares in resolved)


@patient
@given(case=itemised_cases())
def test_tax_and_tip_are_in_proportion_to_what_the_items_of_each_come_to(case: Case) -> None:
    split, amount = case
    assert isinstance(split, Itemised)
    own = dict.fromkeys((member for item in split.items for member in item.member_ids), Fraction(0))
    for item in split.items:
        for member in item.member_ids:
            own[member] += Fraction(item.amount_minor, len(item.member_ids))
    extra, total = split.tax_minor + split.tip_minor, sum(own.values()) or 1
    assert fair_shares(split, amount) == {m: part + extra * part / total for m, part in own.items()}


SOUP, WINE = Item("Soup", 1000, (ANN, BEN)), Item("Wine", 2000, (BEN,))


@pytest.mark.parametrize(
    ("split", "amount", "fair"),
    [
        (Equal((ANN, BEN, CLEO)), 1000, [Fraction(1000, 3)] * 3),
        (Shares({ANN: Fraction(2), BEN: Fraction(1, 2), CLEO: Fraction(0)}), 1000, [800, 200, 0]),
        (Percent({ANN: Fraction("12.5"), BEN: Fraction("87.5")}), 1001, [125.125, 875.875]),
        (Exact({ANN: -200, BEN: 1200}), 1000, [-200, 1200]),
        (Adjustment({ANN: 100, BEN: -50, CLEO: 0}), 1010, [420, 270, 320]),
        (Adjustment({ANN: 600, BEN: 400}), 1000, [600, 400]),
        (Itemised((SOUP, WINE), 300, 600), 3900, [650, 3250]),
        (Itemised((SOUP, WINE, Item("Voucher", -500, (ANN, BEN, CLEO))), 0, 0), 2500, None),
        (Itemised((SOUP, Item("Voucher", -1000, (ANN,))), 0, 0), 0, [-500, 500]),
        (Itemised((SOUP, WINE), 0, -3000), 0, [0, 0]),
        # A returned bottle takes its tax back with it.
        (Itemised((SOUP, Item("Bottle", -600, (ANN,))), 40, 0), 440, [-110, 550]),
    ],
)
def test_a_split_has_the_fair_shares_of_its_kind(
    split: Split, amount: int, fair: list[Fraction] | None
) -> None:
    third = Fraction(500, 3)
    expected = [500 - third, 2500 - third, -third] if fair is None else fair
    assert list(fair_shares(split, amount).values()) == expected
    assert sum(resolve_split(split, amount_minor=amount, currency="EUR", rotation=0).values()) == amount


def test_over_many_expenses_everybody_pays_the_odd_cent_about_equally_often() -> None:
    """Of every kind alike, and with an item that one of the members has no part in."""
    uneven = Item("Tea", 101, (ANN, CLEO))
    kinds: list[tuple[Split, int, tuple[UUID, ...]]] = [
        (Equal((ANN, BEN, CLEO)), 1000, (ANN, BEN, CLEO)),
        (Adjustment({ANN: 5, BEN: 5, CLEO: 0}), 1001, (ANN, BEN, CLEO)),
        (Itemised((uneven, Item("Cake", 300, (BEN,))), 0, 0), 401, (ANN, CLEO)),
    ]
    for split, amount, payers in kinds:
        fair = fair_shares(split, amount)
        odd = Counter[UUID]()
        for number in range(3000):
            rotation = rotation_of(UUID(int=number))
            shares = resolve_split(split, amount_minor=amount, currency="EUR", rotation=rotation)
            odd.update(member for member in shares if shares[member] > fair[member])
        even = sum(odd.values()) // len(payers)
        assert all(abs(odd[member] - even) < 100 for member in payers)


NOBODY = "nobody is in it"
TWICE = "is there twice"
BAD: list[tuple[Split, int, str, str]] = [
    (Equal(()), 1000, "/member_ids", NOBODY),
    (Equal((ANN, BEN, ANN)), 1000, "/member_ids/2", TWICE),
    (Shares({}), 1000, "/shares", NOBODY),
    (Shares({ANN: Fraction(0), BEN: Fraction(0)}), 1000, "/shares", "at least one must be above zero"),
    (Shares({ANN: Fraction(1), BEN: Fraction(-1)}), 1000, "/shares/1/value", "must not be negative"),
    (Percent({}), 1000, "/shares", NOBODY),
    (
        Percent({ANN: Fraction(50), BEN: Fraction("49.5")}),
        1000,
        "/shares",
        "the percentages miss 100 by 0.5: they come to 99.5",
    ),
    (
        Percent({ANN: Fraction("100.000001")}),
        1000,
        "/shares",
        "the percentages miss 100 by 0.000001: they come to 100.000001",
    ),
    (
        Percent({ANN: Fraction(100, 3)}),
        1000,
        "/shares",
        "the percentages miss 100 by 200/3: they come to 100/3",
    ),
    (Percent({ANN: Fraction(110), BEN: Fraction(-10)}), 1000, "/shares/1/value", "must not be negative"),
    (Exact({}), 1000, "/shares", NOBODY),
    (
        Exact({ANN: 500, BEN: 497}),
        1000,
        "/shares",
        "the shares miss the amount by 0.03 EUR: they come to 9.97 EUR",
    ),
    (
        Exact({ANN: -500, BEN: -503}),
        -1000,
        "/shares",
        "the shares miss the amount by 0.03 EUR: they come to -10.03 EUR",
    ),
    (Adjustment({}), 1000, "/shares", NOBODY),
    (Adjustment({ANN: 900, BEN: 150}), 1000, "/shares", "the adjustments exceed the amount by 0.50 EUR"),
    (Adjustment({ANN: -900, BEN: -150}), -1000, "/shares", "the adjustments exceed the amount by 0.50 EUR"),
    (Itemised((), 0, 0), 0, "/items", "there is no item"),
    (Itemised((SOUP,) * (MAX_ITEMS + 1), 0, 0), 201_000, "/items", "at most 200 items are possible"),
    (Itemised((SOUP, replace(WINE, member_ids=())), 0, 0), 3000, "/items/1/member_ids", NOBODY),
    (Itemised((SOUP, replace(WINE, member_ids=(BEN, BEN))), 0, 0), 3000, "/items/1/member_ids/1", TWICE),
    (
        Itemised((SOUP, WINE), 300, 0),
        3310,
        "/items",
        "the items, tax and tip miss the amount by 0.10 EUR: they come to 33.00 EUR",
    ),
    (
        Itemised((SOUP, replace(SOUP, amount_minor=-1000)), 10, 0),
        10,
        "/tax",
        "cannot be in proportion to items that come to zero",
    ),
    (
        Itemised((replace(SOUP, amount_minor=0),), 0, 10),
        10,
        "/tip",
        "cannot be in proportion to items that come to zero",
    ),
    (
        Itemised(
            (Item("House", MAX_AMOUNT_MINOR, (ANN,)), Item("Loan", 10 - MAX_AMOUNT_MINOR, (BEN,))), 11, 0
        ),
        21,
        "/items",
        "a share is beyond 1000000000000.00 EUR",
    ),
    (
        Adjustment({ANN: MAX_AMOUNT_MINOR, BEN: -MAX_AMOUNT_MINOR}),
        2,
        "/shares",
        "a share is beyond 1000000000000.00 EUR",
    ),
]


@pytest.mark.parametrize(("split", "amount", "pointer", "detail"), BAD)
def test_a_bad_split_is_refused_where_it_is_bad_and_says_by_how_much(
    split: Split, amount: int, pointer: str, detail: str
) -> None:
    with pytest.raises(SplitError) as refusal:
        resolve_split(split, amount_minor=amount, currency="EUR", rotation=0)
    assert (refusal.value.pointer, refusal.value.detail) == (pointer, detail)
    assert str(refusal.value) == detail


@patient
@given(case=exact_cases(), miss=st.integers(1, MAX_AMOUNT_MINOR), sign=st.sampled_from([1, -1]))
def test_what_shares_miss_is_said_in_the_decimals_of_the_currency(case: Case, miss: int, sign: int) -> None:
    split, amount = case
    with pytest.raises(SplitError, match=rf"^the shares miss the amount by {miss} JPY: "):
        resolve_split(split, amount_minor=amount + sign * miss, currency="JPY", rotation=0)


def test_an_unknown_currency_is_no_reason_to_blame_the_split() -> None:
    with pytest.raises(AmountError):
        resolve_split(Exact({ANN: 1}), amount_minor=2, currency="XXX", rotation=0)


@patient
@given(value=st.decimals(0, MAX_VALUE, places=6))
def test_a_value_is_read_exactly(value: object) -> None:
    assert parse_value(f"{value:f}") == Fraction(str(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("0", 0), ("007.50", Fraction(15, 2)), ("0" * 10_000 + "3", 3), (str(MAX_VALUE), MAX_VALUE)],
)
def test_a_value_may_have_zeros_in_front_and_at_the_end(text: str, value: Fraction) -> None:
    assert parse_value(text) == value


FORMAT = 'must be a decimal number such as "1.5"'
TOO_LARGE = "must be at most 1000000000000"


@pytest.mark.parametrize(
    "text", ["", " 1", "1\n", "-1", "+1", ".5", "1.", "1,5", "1e2", "1/3", "50%", "٣", "½"]
)
def test_other_notations_are_refused(text: str) -> None:
    assert refusal_of(parse_value, text) == FORMAT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0000000", "at most 6 decimals are possible"),
        ("1." + "0" * 100_000, "at most 6 decimals are possible"),
        ("1000000000000.000001", TOO_LARGE),
        ("9" * 13, TOO_LARGE),
        ("9" * 100_000, TOO_LARGE),
    ],
)
def test_values_beyond_the_bounds_are_refused_with_the_bound(text: str, message: str) -> None:
    assert refusal_of(parse_value, text) == message


def refusal_of(parse: Callable[[str], Fraction], text: str) -> str:
    with pytest.raises(SplitValueError) as refusal:
        parse(text)
    return str(refusal.value)
