"""Who in a group the people are that another program's file names."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from core.rules.texts import loose_key


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A member of the group; without an account there is no user name."""

    id: UUID
    display_name: str
    username: str | None = None


def match_people(
    names: Iterable[str], members: Iterable[KnownPerson], *, earlier: Mapping[str, UUID]
) -> Mapping[str, UUID]:
    """For each name the member who is meant; names of nobody, or of more than one, are left out.

    `earlier` says who the names of the last file were. Else it is the name by which the group knows somebody,
    or where that is nobody's the one of an account, whatever case and accents. Nobody is two people.
    """
    names, members = list(names), list(members)
    present = {one.id for one in members}
    by_name = _by_name((one.display_name, one.id) for one in members)
    by_account = _by_name((one.username, one.id) for one in members if one.username is not None)
    found = {name: earlier[name] for name in names if earlier.get(name) in present}
    for known, others in ((by_name, {}), (by_account, by_name)):
        for name in names:
            key = _key(name)
            candidates = [] if name in found or key in others else known.get(key, [])
            if len(candidates) == 1 and candidates[0] not in found.values():
                found[name] = candidates[0]
    return found


def _by_name(named: Iterable[tuple[str, UUID]]) -> dict[str, list[UUID]]:
    found: defaultdict[str, list[UUID]] = defaultdict(list)
    for name, member_id in named:
        found[_key(name)].append(member_id)
    return found


def _key(name: str) -> str:
    return loose_key(name.strip())
