"""From what a client says of a split to who pays what: ids and amounts read, defaults filled in.

A split is kept as the client said it, a document `{"kind": …}` as in `api/schemas/splits.py`, so that it can
be resolved again when the amount changes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from core.errors import invalid
from core.rules.apportionment import rotation_of
from core.rules.money import AmountError, parse_amount
from core.rules.splits import (
    Adjustment,
    Equal,
    Exact,
    Item,
    Itemised,
    Percent,
    Shares,
    Split,
    SplitError,
    SplitValueError,
    parse_value,
    resolve_split,
)

T = TypeVar("T")

MAX_PARTS = 2_000
"""Of a receipt: a hundred items over twenty people. All of them are kept, listed and divided."""

Document = Mapping[str, Any]


def with_everybody(document: Document, everybody: Sequence[UUID]) -> dict[str, Any]:
    """The split with everybody named where it names nobody: who joins later has no part in it."""

    def named(part: Mapping[str, Any]) -> dict[str, Any]:
        return {**part, "member_ids": list(part["member_ids"]) or [str(one) for one in everybody]}

    match document["kind"]:
        case "equal":
            return named(document)
        case "itemised":
            items = [named(item) for item in document["items"]]
            if sum(len(item["member_ids"]) for item in items) > MAX_PARTS:
                raise invalid("/items", f"at most {MAX_PARTS} parts are possible: items times their members")
            return {**document, "items": items}
        case _:
            return dict(document)


def split_of(document: Document, *, currency: str) -> Split:
    """The split that a document means.

    Raises:
        InvalidInput: with pointers below the split, a number cannot be read or a member is there twice.
    """
    match document["kind"]:
        case "equal":
            return Equal(tuple(map(UUID, document["member_ids"])))
        case "shares":
            return Shares(_values(document, parse_value))
        case "percent":
            return Percent(_values(document, parse_value))
        case "exact":
            return Exact(_values(document, lambda text: parse_amount(text, currency)))
        case "adjustment":
            return Adjustment(_values(document, lambda text: parse_amount(text, currency)))
        case "itemised":
            return _itemised(document, currency)
        case kind:
            raise AssertionError(f"no split is called {kind}")


def resolve(
    document: Document,
    *,
    expense_id: UUID,
    amount_minor: int,
    currency: str,
    allowed: Collection[UUID],
) -> dict[UUID, int]:
    """Each member's share in minor units; together exactly the amount.

    Raises:
        InvalidInput: with pointers below the split, it does not divide the amount, and by how much it misses,
            or names somebody who is not `allowed`.
    """
    split = split_of(document, currency=currency)
    try:
        shares = resolve_split(
            split, amount_minor=amount_minor, currency=currency, rotation=rotation_of(expense_id)
        )
    except SplitError as error:
        raise invalid(error.pointer, error.detail) from error
    check_members(document, allowed)
    return shares


def check_members(document: Document, allowed: Collection[UUID]) -> None:
    """Raises: InvalidInput, with a pointer to whoever is not in the group."""
    for pointer, member_id in _named(document):
        if member_id not in allowed:
            raise invalid(pointer, "no such member")


def _named(document: Document) -> list[tuple[str, UUID]]:
    match document["kind"]:
        case "equal":
            return _ids(document["member_ids"], "/member_ids")
        case "itemised":
            return [
                found
                for position, item in enumerate(document["items"])
                for found in _ids(item["member_ids"], f"/items/{position}/member_ids")
            ]
        case _:
            return [
                (f"/shares/{position}/member_id", UUID(share["member_id"]))
                for position, share in enumerate(document["shares"])
            ]


def _ids(texts: Sequence[str], pointer: str) -> list[tuple[str, UUID]]:
    return [(f"{pointer}/{position}", UUID(text)) for position, text in enumerate(texts)]


def _values(document: Document, parse: Callable[[str], T]) -> dict[UUID, T]:
    values: dict[UUID, T] = {}
    for position, share in enumerate(document["shares"]):
        member_id = UUID(share["member_id"])
        if member_id in values:
            raise invalid(f"/shares/{position}/member_id", "is there twice")
        values[member_id] = _read(parse, share["value"], f"/shares/{position}/value")
    return values


def _itemised(document: Document, currency: str) -> Itemised:
    def amount(text: str | None, pointer: str) -> int:
        return 0 if text is None else _read(lambda given: parse_amount(given, currency), text, pointer)

    items = tuple(
        Item(
            item["description"],
            amount(item["amount"], f"/items/{position}/amount"),
            tuple(map(UUID, item["member_ids"])),
        )
        for position, item in enumerate(document["items"])
    )
    return Itemised(items, amount(document["tax"], "/tax"), amount(document["tip"], "/tip"))


def _read(parse: Callable[[str], T], text: str, pointer: str) -> T:
    try:
        return parse(text)
    except (AmountError, SplitValueError) as error:
        raise invalid(pointer, str(error)) from error
