"""Rows are matched one to one with what is there: nothing is counted twice, and nothing equal is lost."""

from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.duplicates import (
    MAX_PENDING_DAYS,
    Candidate,
    Known,
    Pending,
    Suspicion,
    bank_key,
    booked_twins,
    match_key,
    suspect,
    twin_key,
)

DAY = date(2026, 5, 10)

keys = st.integers(1, 4)
bank_keys = st.none() | st.integers(101, 104)


def expense(number: int) -> UUID:
    return UUID(int=number)


def rows(*given: int | tuple[int, int | None]) -> list[Candidate]:
    """Rows by match key, or by match key and bank key, at the positions 0, 1, 2, …"""
    pairs = [one if isinstance(one, tuple) else (one, None) for one in given]
    return [Candidate(position, *pair) for position, pair in enumerate(pairs)]


def test_two_equal_rows_of_one_file_stay_two() -> None:
    assert suspect(rows(1, 1), [], []) == {}


def test_of_two_equal_rows_one_is_suspected_if_one_is_there() -> None:
    assert suspect(rows(1, 1), [], [(1, expense(7))]) == {0: Suspicion("same_values", expense(7))}


@given(st.lists(keys), st.lists(keys), st.lists(keys))
def test_what_is_left_is_the_difference_of_multisets(
    file: list[int], earlier: list[int], by_hand: list[int]
) -> None:
    known = [Known(key, None, expense(number)) for number, key in enumerate(earlier)]
    there = [(key, expense(1000 + number)) for number, key in enumerate(by_hand)]
    # What came with a file is there as an expense too, and must not count twice.
    there += [(key, expense(number)) for number, key in enumerate(earlier)]
    found = suspect(rows(*file), known, there)
    left = Counter(row.match_key for row in rows(*file) if row.position not in found)
    assert left == Counter(file) - (Counter(earlier) + Counter(by_hand))
    assert len({one.expense_id for one in found.values()}) == len(found), "each expense is matched once"


@given(st.lists(st.tuples(keys, bank_keys)), st.lists(st.tuples(keys, bank_keys)), st.booleans())
def test_nothing_is_matched_twice_and_the_banks_id_always_matches(
    file: list[tuple[int, int | None]], earlier: list[tuple[int, int | None]], are_deleted: bool
) -> None:
    known = [Known(key, bank, expense(number)) for number, (key, bank) in enumerate(earlier)]
    there = [] if are_deleted else [(key, expense(number)) for number, (key, _bank) in enumerate(earlier)]
    candidates = rows(*file)
    found = suspect(candidates, known, there)
    banks = {bank for _key, bank in earlier if bank is not None}
    for row in candidates:
        assert (row.bank_key in banks) == (row.position in found and found[row.position].reason == "bank_id")
    by_values = [one.expense_id for one in found.values() if one.reason == "same_values"]
    by_bank = {one.expense_id for one in found.values() if one.reason == "bank_id"}
    assert len(set(by_values)) == len(by_values)
    assert by_bank.isdisjoint(by_values)
    left = Counter(row.match_key for row in candidates if row.position not in found)
    assert left <= Counter(key for key, _bank in file)


def test_an_imported_row_is_known_by_what_its_file_said_of_it() -> None:
    """Whatever a rule or the user has made of its expense since."""
    renamed = suspect(rows(1), [Known(1, None, expense(7))], [(2, expense(7))])
    assert renamed == {0: Suspicion("same_values", expense(7))}
    deleted = suspect(rows(1), [Known(1, None, expense(7))], [])
    assert deleted == {0: Suspicion("same_values", expense(7))}


def test_an_expense_is_not_matched_under_its_old_and_its_new_name() -> None:
    found = suspect(rows(1, 2), [Known(1, None, expense(7))], [(2, expense(7))])
    assert found == {0: Suspicion("same_values", expense(7))}


def test_the_banks_id_is_stronger_than_values() -> None:
    known = [Known(1, 101, expense(7))]
    assert suspect(rows((1, 102), (5, 101)), known, [(1, expense(7))]) == {
        1: Suspicion("bank_id", expense(7))
    }


@pytest.mark.parametrize(
    ("days", "is_twin"),
    [(0, True), (2, True), (-1, True), (MAX_PENDING_DAYS, True), (MAX_PENDING_DAYS + 1, False)],
)
def test_a_booked_row_is_the_twin_of_a_pending_one_some_days_before(days: int, is_twin: bool) -> None:
    pending = [Pending(DAY, 5, expense(7))]
    found = booked_twins([Pending(DAY + timedelta(days=days), 5, position=3)], pending)
    assert found == ({3: Suspicion("pending", expense(7))} if is_twin else {})


def test_a_pending_row_has_one_twin() -> None:
    booked = [Pending(DAY, 5, position=0), Pending(DAY, 5, position=1), Pending(DAY, 6, position=2)]
    assert booked_twins(booked, [Pending(DAY, 5, expense(7))]) == {0: Suspicion("pending", expense(7))}


@given(
    st.lists(st.tuples(st.integers(0, 30), keys), max_size=8),
    st.lists(st.tuples(st.integers(0, 30), keys), max_size=8),
)
def test_as_many_twins_are_found_as_can_be(
    booked: list[tuple[int, int]], waiting: list[tuple[int, int]]
) -> None:
    own = [Pending(DAY + timedelta(days=n), key, position=p) for p, (n, key) in enumerate(booked)]
    pending = [Pending(DAY + timedelta(days=n), key, expense(p)) for p, (n, key) in enumerate(waiting)]
    found = booked_twins(own, pending)
    matched = [one.expense_id for one in found.values()]
    assert len(set(matched)) == len(matched) == largest_matching(own, pending)


def largest_matching(own: list[Pending], pending: list[Pending]) -> int:
    """By augmenting paths."""
    partners: dict[int, int] = {}

    def is_matched(row: Pending, tried: set[int]) -> bool:
        for number, one in enumerate(pending):
            if one.twin_key != row.twin_key or abs((one.day - row.day).days) > MAX_PENDING_DAYS:
                continue
            if number in tried:
                continue
            tried.add(number)
            if number not in partners or is_matched(own[partners[number]], tried):
                partners[number] = row.position
                return True
        return False

    return sum(is_matched(row, set()) for row in own)


def test_keys_heed_what_they_should_and_nothing_else() -> None:
    same = match_key(DAY, 320, "EUR", "Café Größe")
    assert same == match_key(DAY, 320, "EUR", "CAFE GRÖSSE")
    others = [
        match_key(DAY + timedelta(days=1), 320, "EUR", "Café Größe"),
        match_key(DAY, -320, "EUR", "Café Größe"),
        match_key(DAY, 320, "USD", "Café Größe"),
        match_key(DAY, 320, "EUR", None),
    ]
    assert len({same, *others}) == 5
    assert match_key(DAY, 320, "EUR", None) == match_key(DAY, 320, "EUR", "")
    assert twin_key(320, "EUR", "a") != twin_key(321, "EUR", "a")
    assert all(abs(key) < 2**63 + 1 for key in (same, *others))
    movement: dict[str, Any] = {"amount_minor": 320, "currency": "EUR"}
    assert bank_key(None, "DE02", **movement) is None
    assert len({bank_key("1", None, **movement), bank_key("1", "DE02", **movement)}) == 2
    assert bank_key("2", "DE02", **movement) != bank_key("1", "DE02", **movement)


def test_what_is_called_an_id_and_begins_anew_in_each_file_makes_no_duplicates() -> None:
    may, june = (bank_key("1", None, amount_minor=minor, currency="EUR") for minor in (320, 410))
    assert may != june
