from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.rules.debts import MAX_EXACT_MEMBERS, Transfer, pair_up, pass_on, plan_transfers
from tests.core.rules.strategies import patient

AMOUNTS = {
    "coincident": st.integers(-3, 3),
    "small": st.integers(-9, 9),
    "large": st.integers(-(10**15), 10**15),
}
"""Of the smaller ones many subsets sum to zero, so that there are many optimal plans to choose from."""


@st.composite
def balances_of(draw: st.DrawFn, min_size: int, max_size: int) -> dict[UUID, int]:
    """Balances that sum to zero, with members at zero among them."""
    ids = draw(st.lists(st.uuids(), min_size=min_size, max_size=max_size, unique=True))
    amounts = AMOUNTS[draw(st.sampled_from(sorted(AMOUNTS)))]
    values = draw(st.lists(amounts, min_size=len(ids) - 1, max_size=len(ids) - 1))
    return dict(zip(ids, [*values, -sum(values)], strict=True))


few = balances_of(1, 8)
several = balances_of(1, 10)
many = balances_of(MAX_EXACT_MEMBERS + 1, 40)
any_number = st.one_of(few, balances_of(9, MAX_EXACT_MEMBERS), many)


def numbered(amounts: Iterable[int]) -> dict[UUID, int]:
    return {UUID(int=number): amount for number, amount in enumerate(amounts, start=1)}


def in_numbers(transfers: Iterable[Transfer]) -> list[tuple[int, int, int]]:
    return [(transfer.from_id.int, transfer.to_id.int, transfer.amount) for transfer in transfers]


def after(balances: Mapping[UUID, int], transfers: Iterable[Transfer]) -> dict[UUID, int]:
    """The balances once the transfers are carried out; whoever pays owes less."""
    left = dict(balances)
    for transfer in transfers:
        left[transfer.from_id] += transfer.amount
        left[transfer.to_id] -= transfer.amount
    return left


def with_balance(balances: Mapping[UUID, int]) -> int:
    return sum(map(bool, balances.values()))


def fewest_by_trying(left: Sequence[int]) -> int:
    """The first with a balance settles it in full with any one of the other sign; all ways are tried."""
    first = next((place for place, amount in enumerate(left) if amount), None)
    if first is None:
        return 0
    others = (place for place in range(first + 1, len(left)) if left[place] * left[first] < 0)
    return 1 + min(
        fewest_by_trying([*left[first + 1 : other], left[other] + left[first], *left[other + 1 :]])
        for other in others
    )


def assert_clears(balances: Mapping[UUID, int], transfers: Sequence[Transfer]) -> None:
    """Every balance, with no payment by one who is owed or to one who owes, nor two between the same."""
    assert not any(after(balances, transfers).values())
    assert all(balances[one.from_id] < 0 < balances[one.to_id] and one.amount > 0 for one in transfers)
    assert len({(one.from_id, one.to_id) for one in transfers}) == len(transfers)
    assert len(transfers) <= max(with_balance(balances) - 1, 0)


@patient
@given(balances=any_number)
def test_a_plan_clears_every_balance_and_says_whether_no_fewer_transfers_could(
    balances: dict[UUID, int],
) -> None:
    plan = plan_transfers(balances)
    assert_clears(balances, plan.transfers)
    assert list(plan.transfers) == sorted(plan.transfers)
    assert plan.is_optimal == (with_balance(balances) <= MAX_EXACT_MEMBERS)


@settings(patient, max_examples=300)
@given(balances=few)
def test_a_plan_has_as_few_transfers_as_trying_all_ways_finds(balances: dict[UUID, int]) -> None:
    assert len(plan_transfers(balances).transfers) == fewest_by_trying(list(balances.values()))


@settings(patient, max_examples=200)
@given(balances=several)
def test_whichever_transfer_is_carried_out_the_plan_for_the_rest_stays(balances: dict[UUID, int]) -> None:
    transfers = plan_transfers(balances).transfers
    for done in transfers:
        rest = tuple(transfer for transfer in transfers if transfer != done)
        assert plan_transfers(after(balances, [done])).transfers == rest


@patient
@given(balances=balances_of(1, MAX_EXACT_MEMBERS), data=st.data())
def test_a_plan_can_be_carried_out_in_any_order(balances: dict[UUID, int], data: st.DataObject) -> None:
    left = set(plan_transfers(balances).transfers)
    for done in data.draw(st.permutations(sorted(left))):
        left.remove(done)
        balances = after(balances, [done])
        assert set(plan_transfers(balances).transfers) == left


@patient
@given(balances=any_number, data=st.data())
def test_neither_a_plan_nor_the_pairs_depend_on_the_order_of_the_members(
    balances: dict[UUID, int], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(balances.items()))))
    assert plan_transfers(shuffled) == plan_transfers(balances)
    assert pair_up(shuffled) == pair_up(balances)


@patient
@given(balances=any_number)
def test_pairs_clear_what_an_expense_made_in_the_order_of_the_ids(balances: dict[UUID, int]) -> None:
    transfers = pair_up(balances)
    assert_clears(balances, transfers)
    assert transfers == sorted(transfers)
    receivers = [transfer.to_id for transfer in transfers]
    assert receivers == sorted(receivers)


@patient
@given(
    pairs=st.lists(st.integers(1, 99), min_size=9, max_size=20), triple=st.tuples(*[st.integers(1, 99)] * 2)
)
def test_with_many_members_pairs_and_triples_are_cleared_among_themselves(
    pairs: list[int], triple: tuple[int, int]
) -> None:
    far = (1000 + triple[0], 2000 + triple[1])  # so that they make up for nobody else
    balances = numbered([*pairs, *far, *(-amount for amount in pairs), -sum(far)])
    plan = plan_transfers(balances)
    assert len(plan.transfers) == len(pairs) + 2
    assert not plan.is_optimal


def test_above_the_bound_a_small_rest_is_planned_exactly() -> None:
    fours = [-7, -11, 5, 13, -700, -1100, 500, 1300]
    pairs = [sign * amount for amount in range(10_000, 10_010) for sign in (1, -1)]
    assert len(plan_transfers(numbered(pairs + fours)).transfers) == 10 + 3 + 3


@pytest.mark.parametrize(
    ("amounts", "transfers"),
    [
        ([], []),
        ([0, 0], []),
        ([-5, 5], [(1, 2, 5)]),
        ([10, -4, -6], [(2, 1, 4), (3, 1, 6)]),
        ([-1, -1, 1, 1], [(1, 3, 1), (2, 4, 1)]),
        # The first might pay the third in part, but two pairs take fewer transfers.
        ([-2, -3, 3, 2], [(1, 4, 2), (2, 3, 3)]),
        # 1 and 2 could share a block with either 3 and 4 or 5 and 6.
        ([-3, -4, 5, 2, 1, 6, -7], [(1, 3, 3), (2, 3, 2), (2, 4, 2), (7, 5, 1), (7, 6, 6)]),
    ],
)
def test_of_the_shortest_plans_it_is_the_first_in_order(
    amounts: list[int], transfers: list[tuple[int, int, int]]
) -> None:
    assert in_numbers(plan_transfers(numbered(amounts)).transfers) == transfers


def test_an_expense_with_several_payers_makes_debts_end_to_end() -> None:
    nets = numbered([-30, 50, -30, -30, 40])
    assert in_numbers(pair_up(nets)) == [(1, 2, 30), (3, 2, 20), (3, 5, 10), (4, 5, 30)]


@patient
@given(pairs=any_number)
def test_who_goes_leaves_no_debts_and_no_balance_changes(pairs: dict[UUID, int]) -> None:
    gone = UUID(int=0)
    owes = Counter({(gone, other_id): -amount for other_id, amount in pairs.items() if other_id != gone})
    assume(sum(owes.values()) == 0)
    balances = Counter[UUID]()
    debts = pass_on(gone, {other_id: -amount for (_gone, other_id), amount in owes.items()})
    for one in debts:
        balances.update({one.from_id: -one.amount, one.to_id: one.amount})
        if one.from_id == gone:
            owes[gone, one.to_id] += one.amount
        elif one.to_id == gone:
            owes[gone, one.from_id] -= one.amount
    assert not any(balances.values())
    assert not any(owes.values())


def test_what_passes_over_somebody_is_laid_end_to_end() -> None:
    assert in_numbers(pass_on(UUID(int=9), numbered([-30, 50, -30, 10]))) == [
        *[(2, 1, 30), (9, 2, 30), (1, 9, 30)],
        *[(2, 3, 20), (9, 2, 20), (3, 9, 20)],
        *[(4, 3, 10), (9, 4, 10), (3, 9, 10)],
    ]


def test_sixteen_members_are_planned_exactly_and_seventeen_are_not() -> None:
    assert plan_transfers(numbered([-120, *range(1, 16)])).is_optimal
    assert not plan_transfers(numbered([-136, *range(1, 17)])).is_optimal


def test_members_without_a_balance_do_not_count() -> None:
    assert plan_transfers(numbered([0] * 50 + [-120, *range(1, 16)])).is_optimal


@pytest.mark.parametrize("amounts", [[1], [-1, 2], [10**15, 1 - 10**15]])
def test_balances_that_do_not_sum_to_zero_are_an_error(amounts: list[int]) -> None:
    for call in (plan_transfers, pair_up):
        with pytest.raises(ValueError, match=r"^the balances do not sum to zero$"):
            call(numbered(amounts))


def test_a_balance_beyond_64_bits_is_an_error() -> None:
    largest = 2**63 - 1
    assert in_numbers(pair_up(numbered([largest, -largest]))) == [(2, 1, largest)]
    for call in (plan_transfers, pair_up):
        with pytest.raises(ValueError, match=r"^a balance needs more than 64 bits$"):
            call(numbered([largest + 1, -largest - 1]))
