"""Who in a group the people are that another program's file names."""

from collections import Counter
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
    then the one of their account, whatever case and accents. Nobody is two people.
    """
    names, members = list(names), list(members)
    present = {one.id for one in members}
    found = {name: earlier[name] for name in names if earlier.get(name) in present}
    for known in (
        _by_name((one.display_name, one.id) for one in members),
        _by_name((one.username, one.id) for one in members if one.username),
    ):
        taken = set(found.values())
        for name in names:
            member_id = known.get(loose_key(name.strip()))
            if name not in found and member_id is not None and member_id not in taken:
                found[name] = member_id
                taken.add(member_id)
    return found


def _by_name(named: Iterable[tuple[str | None, UUID]]) -> dict[str, UUID]:
    """By name who alone has it."""
    keys = [(loose_key((name or "").strip()), member_id) for name, member_id in named]
    counts = Counter(key for key, _member_id in keys)
    return {key: member_id for key, member_id in keys if key and counts[key] == 1}
