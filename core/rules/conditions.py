"""Conditions on an expense, joined by all, any and not: whether they hold, and how they are written.

A condition is written as a document with one name: `{"all": […]}`, `{"any": […]}`, `{"not": {…}}`, or what is
looked at with a comparison, as in `{"payee": {"contains": "bakery"}}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from core.rules.money import AmountError, comparable_amount, is_currency, parse_comparable_amount
from core.rules.texts import loose_key

MAX_CONDITIONS = 20
"""Of a rule, those that join others included: nobody keeps more in view."""

MAX_NOTE_CHARACTERS = 500
"""Of a note, what is looked at: banks write less. Searching more for hundreds of texts would take the time of
everybody whose expenses are written in the same transaction."""

MAX_DEPTH = 5
"""Of conditions within conditions: any of alls of nots takes three."""

Document = Mapping[str, Any]


class ConditionError(ValueError):
    """The document is no condition; `pointer` leads to what is wrong within it."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}")
        self.pointer = pointer
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What conditions look at. The keys are made when the first condition asks for them."""

    payee: str | None
    note: str | None
    amount_minor: int
    currency: str
    source: str

    @cached_property
    def payee_key(self) -> str:
        return loose_key(self.payee)

    @cached_property
    def note_key(self) -> str:
        return loose_key(self.note and self.note[:MAX_NOTE_CHARACTERS])

    @cached_property
    def amount(self) -> int:
        """In ten-thousandths of a major unit."""
        return comparable_amount(self.amount_minor, self.currency)


@dataclass(frozen=True, slots=True)
class AllOf:
    conditions: "tuple[Condition, ...]"

    def holds(self, facts: Facts) -> bool:
        return all(condition.holds(facts) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class AnyOf:
    conditions: "tuple[Condition, ...]"

    def holds(self, facts: Facts) -> bool:
        return any(condition.holds(facts) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Not:
    condition: "Condition"

    def holds(self, facts: Facts) -> bool:
        return not self.condition.holds(facts)


@dataclass(frozen=True, slots=True)
class TextIs:
    """Payee or note against a key that is not empty; where there is no text, nothing holds."""

    name: Literal["payee", "note"]
    comparison: Literal["equals", "contains", "starts_with"]
    key: str

    def holds(self, facts: Facts) -> bool:
        text = facts.payee_key if self.name == "payee" else facts.note_key
        if self.comparison == "contains":
            return self.key in text
        return text == self.key if self.comparison == "equals" else text.startswith(self.key)


@dataclass(frozen=True, slots=True)
class AmountWithin:
    """Both bounds inclusive, in ten-thousandths of a major unit, whatever the currency; None is no bound."""

    at_least: int | None
    at_most: int | None

    def holds(self, facts: Facts) -> bool:
        if self.at_least is not None and facts.amount < self.at_least:
            return False
        return self.at_most is None or facts.amount <= self.at_most


@dataclass(frozen=True, slots=True)
class CurrencyIs:
    currency: str

    def holds(self, facts: Facts) -> bool:
        return facts.currency == self.currency


@dataclass(frozen=True, slots=True)
class SourceIs:
    source: str

    def holds(self, facts: Facts) -> bool:
        return facts.source == self.source


Condition = AllOf | AnyOf | Not | TextIs | AmountWithin | CurrencyIs | SourceIs


def read_condition(document: Document) -> Condition:
    """The condition that a document says.

    Raises:
        ConditionError: it says none or several, is too large or too deep, or holds what nothing can be
            compared with.
    """
    return _Reader().read(document, "", 1)


def count_conditions(document: Document) -> int:
    """How many conditions there are in it, itself included."""
    match document:
        case {"all": inner} | {"any": inner}:
            return 1 + sum(map(count_conditions, inner))
        case {"not": inner}:
            return 1 + count_conditions(inner)
        case _:
            return 1


class _Reader:
    """Stops at the first condition too many, however large the document is."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, document: Document, pointer: str, depth: int) -> Condition:
        self._count += 1
        if self._count > MAX_CONDITIONS:
            raise ConditionError(pointer, f"a rule has at most {MAX_CONDITIONS} conditions")
        if depth > MAX_DEPTH:
            raise ConditionError(pointer, f"conditions are nested at most {MAX_DEPTH} deep")
        name, value = _single(document, pointer)
        below = f"{pointer}/{name}"
        match name:
            case "all":
                return AllOf(self._read_each(value, below, depth + 1))
            case "any":
                return AnyOf(self._read_each(value, below, depth + 1))
            case "not":
                return Not(self.read(value, below, depth + 1))
            case "payee" | "note":
                return _text(name, value, below)
            case "amount":
                return _amount(value, below)
            case "currency":
                return _currency(value, below)
            case "source":
                return SourceIs(_equal(value, below))
            case _:
                raise ConditionError(below, "nothing is called so")

    def _read_each(self, documents: Any, pointer: str, depth: int) -> tuple[Condition, ...]:
        if not documents:
            raise ConditionError(pointer, "needs a condition")
        return tuple(self.read(one, f"{pointer}/{position}", depth) for position, one in enumerate(documents))


def _single(document: Document, pointer: str) -> tuple[str, Any]:
    if len(document) != 1:
        detail = "has to have one name; several are joined by all or any" if document else "is empty"
        raise ConditionError(pointer, detail)
    return next(iter(document.items()))


def _text(name: Literal["payee", "note"], document: Document, pointer: str) -> TextIs:
    comparison, text = _single(document, pointer)
    key = loose_key(text)
    if not key:
        raise ConditionError(f"{pointer}/{comparison}", "needs more than accents")
    match comparison:
        case "equals" | "contains" | "starts_with":
            return TextIs(name, comparison, key)
        case _:
            raise ConditionError(f"{pointer}/{comparison}", "texts are not compared so")


def _amount(document: Document, pointer: str) -> AmountWithin:
    bounds: dict[str, int] = {}
    for name, text in document.items():
        try:
            bounds[name] = parse_comparable_amount(text)
        except AmountError as error:
            raise ConditionError(f"{pointer}/{name}", str(error)) from error
    if "equals" in bounds and len(bounds) == 1:
        return AmountWithin(bounds["equals"], bounds["equals"])
    if not bounds or bounds.keys() - {"at_least", "at_most"}:
        raise ConditionError(pointer, "needs equals, or else at_least, at_most or both")
    low, high = bounds.get("at_least"), bounds.get("at_most")
    if low is not None and high is not None and low > high:
        raise ConditionError(f"{pointer}/at_most", "is less than at_least")
    return AmountWithin(low, high)


def _currency(document: Document, pointer: str) -> CurrencyIs:
    code = _equal(document, pointer)
    if not is_currency(code):
        raise ConditionError(f"{pointer}/equals", "not an active ISO 4217 currency code")
    return CurrencyIs(code)


def _equal(document: Document, pointer: str) -> str:
    comparison, value = _single(document, pointer)
    if comparison != "equals":
        raise ConditionError(f"{pointer}/{comparison}", "is compared by equals only")
    text: str = value
    return text
