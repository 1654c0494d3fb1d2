"""How an expense is divided among the members of a group, to the minor unit.

Whatever the kind, the fair parts are exact for the whole expense and rounded once, so every share is within
one minor unit of the fair one and the shares sum to the amount. Negative amounts are refunds.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import assert_never
from uuid import UUID

from core.rules.apportionment import FairParts, apportion_parts
from core.rules.money import MAX_AMOUNT_MINOR, format_amount

MAX_ITEMS = 200
"""Of one expense: longer than the receipts that friends share, and short enough for one request."""

MAX_VALUE = 10**12
"""Largest number of shares of a member: incomes in rials fit in, so rent can be divided by them."""

MAX_VALUE_DECIMALS = 6
"""Of shares and percentages: a third of 100 % is then right to the cent of a million."""

WHOLE_PERCENT = 100

_VALUE = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_MAX_VALUE_DIGITS = len(str(MAX_VALUE))


@dataclass(frozen=True, slots=True)
class Equal:
    member_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Shares:
    """In proportion to the values; who has zero pays nothing."""

    values: Mapping[UUID, Fraction]


@dataclass(frozen=True, slots=True)
class Percent:
    values: Mapping[UUID, Fraction]


@dataclass(frozen=True, slots=True)
class Exact:
    """Minor units."""

    amounts: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Each one's minor units, plus an equal part of what all of them leave of the amount."""

    amounts: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a receipt, equally over its members; a negative one is a discount."""

    description: str
    amount_minor: int
    member_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Itemised:
    """Tax and tip are added in proportion to what each one's items come to."""

    items: tuple[Item, ...]
    tax_minor: int
    tip_minor: int


Split = Equal | Shares | Percent | Exact | Adjustment | Itemised


class SplitError(ValueError):
    """The split does not divide its amount; `pointer` is a JSON pointer within it, `detail` for the user."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


class SplitValueError(ValueError):
    """The text is no number of shares and no percentage; the message is meant for the user."""


def parse_value(text: str) -> Fraction:
    """A number of shares or a percentage: ASCII digits and an optional fraction, without a sign.

    Raises:
        SplitValueError: not such a string, beyond MAX_VALUE_DECIMALS or beyond MAX_VALUE.
    """
    match = _VALUE.fullmatch(text)
    if match is None:
        raise SplitValueError('must be a decimal number such as "1.5"')
    whole, fraction = match[1].lstrip("0"), match[2] or ""
    if len(fraction) > MAX_VALUE_DECIMALS:
        raise SplitValueError(f"at most {MAX_VALUE_DECIMALS} decimals are possible")
    # The length comes first, as int() refuses very long strings with an error of its own.
    if len(whole) <= _MAX_VALUE_DIGITS:
        value = Fraction(int(f"0{whole}{fraction}"), 10 ** len(fraction))
        if value <= MAX_VALUE:
            return value
    raise SplitValueError(f"must be at most {MAX_VALUE}")


def resolve_split(split: Split, *, amount_minor: int, currency: str, rotation: int) -> dict[UUID, int]:
    """The share of each member in minor units; together exactly the amount.

    `rotation` decides who pays an odd unit: `apportionment.rotation_of` the expense.

    Raises:
        SplitError: the split does not divide this amount; it says by how much it misses.
        AmountError: unknown currency.
    """
    _check(split, amount_minor, currency)
    shares = apportion_parts(_fair_parts(split, amount_minor), rotation=rotation)
    if max(map(abs, shares.values())) > MAX_AMOUNT_MINOR:
        # Large items and discounts that nearly cancel: sums of such shares would outgrow 64 bits.
        pointer = "/items" if isinstance(split, Itemised) else "/shares"
        largest = format_amount(MAX_AMOUNT_MINOR, currency)
        raise SplitError(pointer, f"a share is beyond {largest} {currency}")
    return shares


def fair_shares(split: Split, amount_minor: int) -> dict[UUID, Fraction]:
    """The exact share of each member in minor units, of a split that `resolve_split` accepts.

    What a share differs from it, always less than one, is the odd unit.
    """
    return _fair_parts(split, amount_minor).as_fractions()


def _fair_parts(split: Split, amount: int) -> FairParts:
    match split:
        case Equal(member_ids):
            return FairParts(dict.fromkeys(member_ids, amount), len(member_ids))
        case Shares(values) | Percent(values):
            return FairParts.in_proportion(amount, FairParts.of(values).numerators)
        case Exact(amounts):
            return FairParts(amounts, 1)
        case Adjustment(amounts):
            rest, count = amount - sum(amounts.values()), len(amounts)
            return FairParts({member: count * own + rest for member, own in amounts.items()}, count)
        case Itemised(items):
            totals = _item_totals(items)
            # Items, tax and tip are the amount together, so one proportion holds for all three.
            if sum(totals.numerators.values()):
                return FairParts.in_proportion(amount, totals.numerators)
            return totals
        case _:
            assert_never(split)


def _item_totals(items: tuple[Item, ...]) -> FairParts:
    """What each one's items come to, before tax and tip, in minor units."""
    denominator = lcm(*(len(item.member_ids) for item in items))
    totals: dict[UUID, int] = {}
    for item in items:
        part = item.amount_minor * (denominator // len(item.member_ids))
        for member in item.member_ids:
            totals[member] = totals.get(member, 0) + part
    return FairParts(totals, denominator)


def _check(split: Split, amount: int, currency: str) -> None:
    match split:
        case Equal(member_ids):
            _check_members(member_ids, "/member_ids")
        case Shares(values):
            _check_values(values)
            if not any(values.values()):
                raise SplitError("/shares", "at least one must be above zero")
        case Percent(values):
            _check_values(values)
            _check_percentages(sum(values.values(), start=Fraction(0)))
        case Exact(amounts):
            _check_not_empty(amounts, "/shares")
            _check_sum(sum(amounts.values()), amount, currency, "/shares", "the shares")
        case Adjustment(amounts):
            _check_not_empty(amounts, "/shares")
            _check_adjustments(sum(amounts.values()), amount, currency)
        case Itemised():
            _check_items(split.items)
            total = sum(item.amount_minor for item in split.items) + split.tax_minor + split.tip_minor
            _check_sum(total, amount, currency, "/items", "the items, tax and tip")
            _check_tax_and_tip(split)
        case _:
            assert_never(split)


def _check_not_empty(members: Collection[UUID], pointer: str) -> None:
    if not members:
        raise SplitError(pointer, "nobody is in it")


def _check_members(member_ids: tuple[UUID, ...], pointer: str) -> None:
    """Somebody, and nobody twice."""
    _check_not_empty(member_ids, pointer)
    if len(set(member_ids)) < len(member_ids):
        index = next(i for i, member in enumerate(member_ids) if member in member_ids[:i])
        raise SplitError(f"{pointer}/{index}", "is there twice")


def _check_values(values: Mapping[UUID, Fraction]) -> None:
    _check_not_empty(values, "/shares")
    for index, value in enumerate(values.values()):
        if value < 0:
            raise SplitError(f"/shares/{index}/value", "must not be negative")


def _check_percentages(total: Fraction) -> None:
    if total != WHOLE_PERCENT:
        miss = _decimal(abs(total - WHOLE_PERCENT))
        raise SplitError("/shares", f"the percentages miss 100 by {miss}: they come to {_decimal(total)}")


def _check_sum(total: int, amount: int, currency: str, pointer: str, what: str) -> None:
    if total != amount:
        miss, found = (f"{format_amount(x, currency)} {currency}" for x in (abs(total - amount), total))
        raise SplitError(pointer, f"{what} miss the amount by {miss}: they come to {found}")


def _check_adjustments(total: int, amount: int, currency: str) -> None:
    """What is left for all must not turn an expense into a refund for those without an adjustment."""
    rest = amount - total
    if rest * amount < 0:
        excess = format_amount(abs(rest), currency)
        raise SplitError("/shares", f"the adjustments exceed the amount by {excess} {currency}")


def _check_items(items: tuple[Item, ...]) -> None:
    if len(items) > MAX_ITEMS:
        raise SplitError("/items", f"at most {MAX_ITEMS} items are possible")
    if not items:
        raise SplitError("/items", "there is no item")
    for index, item in enumerate(items):
        _check_members(item.member_ids, f"/items/{index}/member_ids")


def _check_tax_and_tip(split: Itemised) -> None:
    if (split.tax_minor or split.tip_minor) and not sum(item.amount_minor for item in split.items):
        pointer = "/tax" if split.tax_minor else "/tip"
        raise SplitError(pointer, "cannot be in proportion to items that come to zero")


def _decimal(value: Fraction) -> str:
    """Without trailing zeros; a fraction such as 1/3 that no decimals reach stays one."""
    scaled = value * 10**MAX_VALUE_DECIMALS
    if scaled.denominator != 1:
        return str(value)
    whole, decimals = divmod(scaled.numerator, 10**MAX_VALUE_DECIMALS)
    return f"{whole}.{decimals:0{MAX_VALUE_DECIMALS}d}".rstrip("0").rstrip(".")
