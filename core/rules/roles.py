"""Who may do what in a group."""

from typing import Literal

Role = Literal["viewer", "member", "admin", "owner"]

ROLES: tuple[Role, ...] = ("viewer", "member", "admin", "owner")
"""In ascending order: each may do what those before it may. Viewers read; members write expenses and
settlements; admins see to members and invitations; owners to the group itself and to other owners."""


def is_at_least(role: Role, least: Role) -> bool:
    return ROLES.index(role) >= ROLES.index(least)
