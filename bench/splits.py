"""`python -m bench.splits [count]`: divide random expenses (a million), and time plans of 16 members.

Needs no running system. Each split must sum to its amount with every share within a unit of the fair one;
a single cent that is lost makes it fail.
"""

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from uuid import UUID

from bench.report import Row, machine
from bench.system import Dialect
from core.rules.apportionment import rotation_of
from core.rules.debts import MAX_EXACT_MEMBERS, plan_transfers
from core.rules.splits import (
    Adjustment,
    Equal,
    Exact,
    Item,
    Itemised,
    Percent,
    Shares,
    Split,
    fair_shares,
    resolve_split,
)

SEED = 20_261_017
COUNT = 1_000_000
BATCH = 10_000  # made before they are timed, so that the rate is that of dividing alone
CURRENCIES = ("JPY", "EUR", "KWD")  # with no, two and three decimals
MAX_MEMBERS = 12
RANDOM_PLANS = 100

Case = tuple[Split, int, str, int]
"""A split, an amount that it divides, its currency, and the expense's rotation."""

Members = tuple[UUID, ...]


def equal(members: Members, amount: int, _: random.Random) -> tuple[Split, int]:
    return Equal(members), amount


def shares(members: Members, amount: int, chance: random.Random) -> tuple[Split, int]:
    values = {member: Fraction(chance.randrange(400), chance.choice((1, 2, 100))) for member in members}
    return Shares({**values, members[0]: Fraction(1)}), amount


def percent(members: Members, amount: int, chance: random.Random) -> tuple[Split, int]:
    cuts = sorted([0, 10_000, *(chance.randrange(10_001) for _ in members[1:])])
    parts = (Fraction(end - start, 100) for start, end in pairwise(cuts))
    return Percent(dict(zip(members, parts, strict=True))), amount


def exact(members: Members, amount: int, chance: random.Random) -> tuple[Split, int]:
    amounts = {member: chance.randrange(-100, 100_000) for member in members[1:]}
    return Exact({members[0]: amount - sum(amounts.values()), **amounts}), amount


def adjustment(members: Members, amount: int, chance: random.Random) -> tuple[Split, int]:
    amounts = {member: chance.randrange(-1_000, 10_000) for member in members}
    total = sum(amounts.values())
    return Adjustment(amounts), total + abs(amount) if total > 0 else total - abs(amount)


def itemised(members: Members, amount: int, chance: random.Random) -> tuple[Split, int]:
    """One large item, and small ones that may be discounts."""
    costs = [amount, *(chance.randrange(-50, 2_000) for _ in range(chance.randrange(6)))]
    items = tuple(
        Item("Soup", cost, tuple(chance.sample(members, chance.randint(1, len(members))))) for cost in costs
    )
    total = sum(costs)
    tax, tip = (chance.randrange(5_000), chance.randrange(5_000)) if total else (0, 0)
    return Itemised(items, tax, tip), total + tax + tip


KINDS: tuple[Callable[[Members, int, random.Random], tuple[Split, int]], ...] = (
    equal, shares, percent, exact, adjustment, itemised,
)  # fmt: skip


def some_cases(count: int, chance: random.Random) -> Iterator[Case]:
    """As many of each kind; amounts from one minor unit to 100 million, every fifth a refund."""
    for number in range(count):
        members = tuple(UUID(int=chance.getrandbits(128)) for _ in range(chance.randint(1, MAX_MEMBERS)))
        amount = chance.choice((1, 1, 1, 1, -1)) * chance.randint(1, 10 ** chance.randint(1, 8))
        split, amount = KINDS[number % len(KINDS)](members, amount, chance)
        yield split, amount, chance.choice(CURRENCIES), rotation_of(members[0])


def is_whole(case: Case, resolved: dict[UUID, int]) -> bool:
    """Whether nothing was lost: the shares sum to the amount, each less than a unit from the fair one."""
    split, amount, *_ = case
    fair = fair_shares(split, amount)
    return (
        sum(resolved.values()) == amount
        and resolved.keys() == fair.keys()
        and all(abs(resolved[member] - part) < 1 for member, part in fair.items())
    )


def divide_many(count: int) -> tuple[int, float]:
    """How many of so many splits lost something, and how many were divided in a second."""
    chance = random.Random(SEED)
    lost, seconds = 0, 0.0
    for begun in range(0, count, BATCH):
        batch = list(some_cases(min(BATCH, count - begun), chance))
        started = time.perf_counter()
        resolved = [
            resolve_split(split, amount_minor=amount, currency=currency, rotation=rotation)
            for split, amount, currency, rotation in batch
        ]
        seconds += time.perf_counter() - started
        for case, divided in zip(batch, resolved, strict=True):
            if not is_whole(case, divided):
                lost += 1
                print(f"lost: {case} gave {divided}", file=sys.stderr)
    return lost, count / seconds


def some_balances(chance: random.Random) -> Iterator[dict[UUID, int]]:
    """Of 16 members each: the worst known, and random ones with many or with hardly any coincidences."""
    half = MAX_EXACT_MEMBERS // 2
    adversarial = [[1] * half + [-1] * half, [1, -1] * half, [15, *[-1] * 15], [-15, *[1] * 15]]
    drawn: list[list[int]] = []
    while len(drawn) < RANDOM_PLANS:
        largest = chance.choice((1, 2, 3, 5, 10, 100, 10**6))
        amounts = [chance.choice((1, -1)) * chance.randint(1, largest) for _ in range(MAX_EXACT_MEMBERS - 1)]
        if sum(amounts):
            drawn.append([*amounts, -sum(amounts)])
    for amounts in adversarial + drawn:
        yield {UUID(int=chance.getrandbits(128)): amount for amount in amounts}


def planning(_: Dialect) -> list[Row]:
    """The exact plan for 16 members; no database takes part in it."""
    times = []
    for balances in some_balances(random.Random(SEED)):
        started = time.thread_time()
        plan_transfers(balances)
        times.append((time.thread_time() - started) * 1000)
    worst, median = max(times), statistics.median(times)
    name = f"exact plan for {MAX_EXACT_MEMBERS} members, {len(times)} cases"
    return [Row(name, f"worst {worst:.1f} ms", f"{median:.1f} ms", "")]


def main(count: int) -> int:
    lost, rate = divide_many(count)
    print(machine())
    print(f"{count:,} random splits: {lost} lost a cent, {rate:,.0f} divided a second")
    for row in planning("sqlite"):
        print(f"{row.name}: median {row.p50}, {row.figure}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
