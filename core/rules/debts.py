"""Who pays whom so that every balance of a group comes to zero, and who owes whom after one expense.

Amounts are minor units of one currency; a positive balance is owed, a negative one owes.

The fewest transfers clear n balances in n - k payments, k being the most blocks, each summing to zero, that
they can be divided into (T. Verhoeff, "Settling Multiple Debts Efficiently", 2004). That is NP-hard, so it
is exact up to MAX_EXACT_MEMBERS.
"""

from bisect import bisect
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from uuid import UUID

from core.rules.apportionment import by_id

MAX_EXACT_MEMBERS = 16
"""With a balance: 65,536 subsets take milliseconds, and every further member doubles that."""

_BIGINT = 1 << 63  # one more than the largest amount that the database's integers hold


@dataclass(frozen=True, slots=True, order=True)
class Transfer:
    """`amount` is above zero."""

    from_id: UUID
    to_id: UUID
    amount: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Transfers in the order of `from_id`, then `to_id`; optimal if provably no fewer could do."""

    transfers: tuple[Transfer, ...]
    is_optimal: bool


def plan_transfers(balances: Mapping[UUID, int]) -> Plan:
    """Transfers that clear every balance: only those who owe pay, and only those who are owed receive.

    Of all optimal plans it is the least in the order of `from_id`, `to_id`, larger amount first; thus it
    does not depend on the order of the mapping, and it is stable: once any of its transfers is carried out
    in full, the plan for what is left is the old one without it. Proof: let t be in the least optimal plan
    P. Any plan Q for the balances after t makes with t a plan for those before, so Q has no fewer transfers
    than P without t; and were Q as short but less than P without t, Q with t would be less than P.

    Above MAX_EXACT_MEMBERS with a balance, pairs and triples that sum to zero are cleared among themselves
    and the others end to end: never more than n - 1 transfers, but neither provably fewest nor stable.

    Raises:
        ValueError: the balances do not sum to zero, or one needs more than 64 bits.
    """
    owing = _with_balance(balances)
    if len(owing) <= MAX_EXACT_MEMBERS:
        return Plan(tuple(_fewest(owing)), is_optimal=True)
    return Plan(tuple(sorted(_few(owing))), is_optimal=False)


def pair_up(nets: Mapping[UUID, int]) -> list[Transfer]:
    """The debts that one expense makes, nets being what each paid minus the share.

    Debtors and creditors are laid end to end in the order of their ids and matched where they overlap: at
    most n - 1 transfers, the same whatever the order of the mapping, and stable as those of a plan.

    Raises:
        ValueError: the nets do not sum to zero, or one needs more than 64 bits.
    """
    return list(_end_to_end(_with_balance(nets)))


def pass_on(member_id: UUID, pairs: Mapping[UUID, int]) -> list[Transfer]:
    """The debts that leave somebody who is even without any: whoever owes them owes those whom they owe.

    `pairs` is what each of the others owes them (negative: is owed by them). Debtors and creditors are paired
    as in `pair_up`; each pair makes a debt between the two, and two that take back what led over the member.
    So nobody's balance changes.

    Raises:
        ValueError: the member is not even, or an amount needs more than 64 bits.
    """
    found = []
    for one in pair_up({other_id: -amount for other_id, amount in pairs.items()}):
        found += [
            one,
            Transfer(member_id, one.from_id, one.amount),
            Transfer(one.to_id, member_id, one.amount),
        ]
    return found


def _with_balance(balances: Mapping[UUID, int]) -> dict[UUID, int]:
    """The balances that are not zero, in the order of the ids."""
    if sum(balances.values()):
        raise ValueError("the balances do not sum to zero")
    if not all(-_BIGINT < balance < _BIGINT for balance in balances.values()):
        raise ValueError("a balance needs more than 64 bits")
    return {member: balances[member] for member in sorted(balances, key=by_id) if balances[member]}


def _end_to_end(balances: Mapping[UUID, int]) -> Iterator[Transfer]:
    creditors = deque((member, balance) for member, balance in balances.items() if balance > 0)
    for debtor, balance in balances.items():
        debt = -balance
        while debt > 0:
            creditor, credit = creditors.popleft()
            amount = min(debt, credit)
            yield Transfer(debtor, creditor, amount)
            debt -= amount
            if credit > amount:
                creditors.appendleft((creditor, credit - amount))


def _few(balances: Mapping[UUID, int]) -> Iterator[Transfer]:
    """Pairs that clear each other, then triples, then the rest: by the exact plan once it is small enough."""
    left = dict(balances)
    for find in (_opposite_pairs, _zero_sum_triples):
        for block in find(dict(left)):
            yield from _end_to_end({member: left.pop(member) for member in block})
    yield from _fewest(left) if len(left) <= MAX_EXACT_MEMBERS else _end_to_end(left)


def _opposite_pairs(balances: Mapping[UUID, int]) -> Iterator[tuple[UUID, UUID]]:
    """Those who owe some amount and those who are owed as much, in the order of the ids on either side."""
    waiting = defaultdict[int, deque[UUID]](deque)
    for member, balance in balances.items():
        if waiting[-balance]:
            yield waiting[-balance].popleft(), member
        else:
            waiting[balance].append(member)


def _zero_sum_triples(balances: Mapping[UUID, int]) -> Iterator[tuple[UUID, UUID, UUID]]:
    """The least in the order of the ids first; each member in one of them."""
    members, amounts = list(balances), list(balances.values())
    free = defaultdict[int, list[int]](list)
    for place, amount in enumerate(amounts):
        free[amount].append(place)
    taken = set[int]()
    for first, second in combinations(range(len(members)), 2):
        if first in taken or second in taken:
            continue
        thirds = free.get(-amounts[first] - amounts[second], [])
        if (nearest := bisect(thirds, second)) < len(thirds):
            block = (first, second, thirds[nearest])
            for place in block:
                free[amounts[place]].remove(place)
            taken.update(block)
            yield members[block[0]], members[block[1]], members[block[2]]


def _fewest(balances: Mapping[UUID, int]) -> Iterator[Transfer]:
    """The least optimal plan, transfer by transfer.

    The least debtor has to pay someone, and can pay exactly those who share a block with them in some
    division into the most blocks; the least of these it is. Whichever of the two is left with a balance
    then carries on for both, so that they stay in one block from there on.
    """
    members, left = list(balances), list(balances.values())
    subsets = _ZeroSumSubsets(left)
    for debtor in range(len(members)):
        while left[debtor] < 0:
            blocks = subsets.blocks_of_finest_divisions() & subsets.having[debtor]
            creditor = next(c for c, having in enumerate(subsets.having) if left[c] > 0 and blocks & having)
            amount = min(-left[debtor], left[creditor])
            yield Transfer(members[debtor], members[creditor], amount)
            left[debtor] += amount
            left[creditor] -= amount
            subsets.tie(debtor, creditor)


class _ZeroSumSubsets:
    """The non-empty subsets of some numbers that sum to zero.

    A subset is a mask with a bit for each number, and a set of subsets is one big integer whose bit m says
    whether the subset with the mask m is in it: what holds for all 65,536 of them takes a few operations.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self.having = _having(len(numbers))
        self._everything = 1 << ((1 << len(numbers)) - 1)
        self._zero_sum = _zero_sum_subsets(numbers) & ~1

    def tie(self, first: int, second: int) -> None:
        """From now on only subsets count that have both numbers or neither."""
        self._zero_sum &= ~(self.having[first] ^ self.having[second])

    def blocks_of_finest_divisions(self) -> int:
        """All blocks of all divisions of the numbers into the most zero-sum blocks.

        A division is a chain of zero-sum subsets, each within the one before: from all numbers down to a
        single block, taking off one block a step. Level by level, the last that is reached ends the longest
        chains. Each block of a division is the last one of some chain, as its blocks come in any order.
        """
        level = self._everything
        while smaller := self._zero_sum & self._proper_subsets(level):
            level = smaller
        return level

    def _proper_subsets(self, subsets: int) -> int:
        """Of any of the given ones; taking a bit out of a mask moves its place down by that bit."""
        found = 0
        for index, having in enumerate(self.having):
            found |= (subsets & having) >> (1 << index)
        for index, having in enumerate(self.having):
            found |= (found & having) >> (1 << index)
        return found


@cache
def _having(count: int) -> tuple[int, ...]:
    """For each of the numbers, the subsets that have it."""
    size = 1 << count
    sets = []
    for index in range(count):
        width = 1 << index
        pattern, length = ((1 << width) - 1) << width, 2 * width
        while length < size:
            pattern |= pattern << length
            length *= 2
        sets.append(pattern)
    return tuple(sets)


def _zero_sum_subsets(numbers: Sequence[int]) -> int:
    """By meeting in the middle: each subset of one half beside those of the other that make up for it."""
    half = len(numbers) // 2
    by_sum = defaultdict[int, int](int)
    for mask, total in enumerate(_subset_sums(numbers[:half])):
        by_sum[total] |= 1 << mask
    width = 1 << half
    digits = (f"{by_sum.get(-total, 0):0{width}b}" for total in reversed(_subset_sums(numbers[half:])))
    return int("".join(digits), 2)


def _subset_sums(numbers: Sequence[int]) -> list[int]:
    """The sum of each subset, at the index that is its mask."""
    sums = [0]
    for number in numbers:
        sums += [total + number for total in sums]
    return sums
