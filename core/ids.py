"""Identifiers: UUIDv7 (RFC 9562), so that keys are unguessable enough to be public and sort by time."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    return uuid7()
