"""Optimistic locking: a change is based on a version that must still be the current one."""

from collections.abc import Set

from core.errors import StaleVersion


def check_version(current: int, expected: Set[int] | None) -> None:
    """Refuse a change that is not based on the current version; None accepts any.

    Raises:
        StaleVersion: somebody else changed it first.
    """
    if expected is not None and current not in expected:
        raise StaleVersion(f"the current version is {current}")
