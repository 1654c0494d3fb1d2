"""Dividing a whole number among members so that the parts sum to it, each within one unit of its fair part.

By largest remainder (Hamilton's method). The fair parts of one whole are kept as integers over one common
denominator: the same numbers as Fractions, in a fraction of the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from math import lcm
from operator import attrgetter
from uuid import UUID

by_id = attrgetter("int")
"""Sorts members as comparing the UUIDs would, without a Python call for each comparison."""

_ROTATION_BYTES = 8  # so many turns that every size of a tie is served evenly


@dataclass(frozen=True, slots=True)
class FairParts:
    """The exact part of each member: its numerator over the common, positive denominator."""

    numerators: Mapping[UUID, int]
    denominator: int

    @classmethod
    def of(cls, fair: Mapping[UUID, Fraction]) -> "FairParts":
        denominator = lcm(*(part.denominator for part in fair.values()))
        numerators = {
            member: part.numerator * (denominator // part.denominator) for member, part in fair.items()
        }
        return cls(numerators, denominator)

    @classmethod
    def in_proportion(cls, whole: int, weights: Mapping[UUID, int]) -> "FairParts":
        """The whole divided by weights, whose sum is not zero."""
        total = sum(weights.values())
        factor = -whole if total < 0 else whole
        return cls({member: weight * factor for member, weight in weights.items()}, abs(total))

    def as_fractions(self) -> dict[UUID, Fraction]:
        return {member: Fraction(part, self.denominator) for member, part in self.numerators.items()}


def rotation_of(source_id: UUID) -> int:
    """Whose turn it is when a tie decides who pays the odd unit: a stable number for each expense.

    A digest, as the UUIDv7s of neighbours differ in few bits and would favour the same members.
    """
    return int.from_bytes(sha256(source_id.bytes).digest()[:_ROTATION_BYTES])


def apportion(fair: Mapping[UUID, Fraction], *, rotation: int) -> dict[UUID, int]:
    """Integer parts that sum exactly to what the fair parts sum to.

    Each is its fair part rounded down or up; one that is whole stays as it is. The largest remainders are
    rounded up, and members who tie take turns by `rotation`, in the order of their ids, whatever the order
    of the mapping. Negative amounts are the mirror image: `apportion(-fair) == -apportion(fair)`.

    Raises:
        ValueError: the fair parts do not sum to a whole number.
    """
    return apportion_parts(FairParts.of(fair), rotation=rotation)


def apportion_parts(fair: FairParts, *, rotation: int) -> dict[UUID, int]:
    """`apportion` of parts that have a common denominator already."""
    total, rest = divmod(sum(fair.numerators.values()), fair.denominator)
    if rest:
        raise ValueError("the fair parts do not sum to a whole number")
    sign = -1 if _is_mirrored(total, fair.numerators) else 1
    parts: dict[UUID, int] = {}
    remainders: dict[UUID, int] = {}
    for member, numerator in fair.numerators.items():
        parts[member], remainders[member] = divmod(sign * numerator, fair.denominator)
    # Fewer than have a remainder, since each remainder is less than one unit.
    if missing := sign * total - sum(parts.values()):
        for member in _largest(remainders, missing, rotation):
            parts[member] += 1
    return parts if sign > 0 else {member: -part for member, part in parts.items()}


def _is_mirrored(total: int, numerators: Mapping[UUID, int]) -> bool:
    """Whether this is the negative one of two mirror images; if the total is zero, the least id tells."""
    if total:
        return total < 0
    unequal_zero = (member for member, numerator in numerators.items() if numerator)
    least = min(unequal_zero, key=by_id, default=None)
    return least is not None and numerators[least] < 0


def _largest(remainders: Mapping[UUID, int], count: int, rotation: int) -> list[UUID]:
    """The members with the largest remainders; those who tie for the last places take turns.

    Turns go round among these alone: members who are not in the tie would pass theirs to a neighbour, who
    would then pay more often than the others.
    """
    least = sorted(remainders.values(), reverse=True)[count - 1]
    chosen = [member for member, remainder in remainders.items() if remainder > least]
    tied = sorted((member for member, remainder in remainders.items() if remainder == least), key=by_id)
    places = count - len(chosen)
    return chosen + [tied[(rotation + place) % len(tied)] for place in range(places)]
