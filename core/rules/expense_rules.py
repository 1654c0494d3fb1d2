"""A user's rules: what they make of an expense.

Rules run in their order, and each sees the payee that those before it have set. The category is filled in
where there is none, so the first rule to name one wins: the special rules come before the general ones. Tags
add up, as far as an expense has room for them. A payee replaces the one before it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from core.rules.conditions import Condition, Facts

MAX_TAGS = 20
"""Of an expense: they are read and written with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a rule sets; None and no tags leave things as they are."""

    category_id: UUID | None = None
    payee: str | None = None
    add_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    when: Condition
    then: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What rules may change of an expense. With lines its category is empty and stays so."""

    category_id: UUID | None
    payee: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The labels after the rules; `has_matched` tells whether a condition held, even if nothing changed."""

    labels: Labels
    has_matched: bool


def apply_rules(
    rules: Iterable[Rule], facts: Facts, *, category_id: UUID | None, tags: tuple[str, ...], has_lines: bool
) -> Outcome:
    """What the rules, in their order, make of an expense with these facts, category and tags."""
    takes_category = category_id is None and not has_lines
    has_matched = False
    for rule in rules:
        if not rule.when.holds(facts):
            continue
        has_matched = True
        then = rule.then
        if takes_category and then.category_id is not None:
            category_id, takes_category = then.category_id, False
        if then.add_tags:
            tags = with_tags(tags, then.add_tags)
        if then.payee is not None and then.payee != facts.payee:
            facts = replace(facts, payee=then.payee)
    return Outcome(Labels(category_id=category_id, payee=facts.payee, tags=tags), has_matched)


def with_tags(tags: tuple[str, ...], added: tuple[str, ...]) -> tuple[str, ...]:
    """The tags and those added that are not among them, as far as there is room."""
    new = [tag for tag in dict.fromkeys(added) if tag not in tags]
    return (*tags, *new[: max(MAX_TAGS - len(tags), 0)])
