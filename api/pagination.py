"""Keyset pagination: a cursor says behind which row the next page begins, so pages never shift."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from api.problems import InvalidParameter
from core.errors import FieldError

T = TypeVar("T")

MAX_NUMBER = 2**63 - 1
"""What a column holds; a query with a larger one would fail."""


def cut_page(
    found: Sequence[T], *, limit: int, position: Callable[[T], tuple[Any, ...]]
) -> tuple[Sequence[T], str | None]:
    """The items of a page and the cursor of the next one, None on the last page.

    `found` holds at least one item more than `limit` where more follow; `position` is what the cursor of an
    item holds.
    """
    if len(found) <= limit:
        return found, None
    shown = found[:limit]
    return shown, encode_cursor(position(shown[-1]))


def encode_cursor(position: Any) -> str:
    """The position as text for a URL; its own business, so that no client comes to rely on what is in it."""
    return urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, kind: type[T], *, name: str = "cursor") -> T | None:
    """The position of the cursor in the parameter `name`; None where there is no cursor.

    Raises:
        InvalidParameter: it is none of ours, or of a list that is sorted in another way.
    """
    if cursor is None:
        return None
    refused = InvalidParameter(FieldError(name, "not one that this list has given"))
    try:
        decoded = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        position = msgspec.json.decode(decoded, type=kind)
    except (ValueError, msgspec.MsgspecError) as error:
        raise refused from error
    if not _is_storable(msgspec.to_builtins(position)):
        raise refused
    return position


def _is_storable(position: Any) -> bool:
    """Whether the columns that it is compared with could hold all of its numbers."""
    if isinstance(position, list | tuple):
        return all(map(_is_storable, position))
    if isinstance(position, dict):
        return _is_storable(list(position.values()))
    return not isinstance(position, int) or abs(position) <= MAX_NUMBER
