"""Creating, changing and deleting the rules that new expenses go through.

Every change to a user's rules holds the lock of the user's row, as every change to the categories that they
name does. A rule that is put in, moved or deleted moves those behind it, which so become new versions too.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound, invalid
from core.ids import new_id
from core.queries.categories import find_category
from core.queries.expense_rules import RULES, RuleRecord, list_rules, load_rule
from core.rules.conditions import (
    Condition,
    ConditionError,
    Document,
    count_conditions,
    read_condition,
)
from core.rules.expense_rules import Action, Rule
from core.services.locks import lock_user
from core.services.versions import check_version

MAX_RULES = 100
"""Of one user: more than anybody would keep in order."""

MAX_ALL_CONDITIONS = 500
"""Of all rules of a user: all are tried on each new expense, which so takes about a millisecond at worst."""

MOVE = (
    update(RULES)
    .where(RULES.c.user_id == bindparam("owner"), RULES.c.id == bindparam("its_id"))
    .values(position=bindparam("new_position"), version=RULES.c.version + 1, updated_at=bindparam("moved_at"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRule:
    """A rule to be created; without a position it comes last. `when` is a document."""

    name: str
    when: Document
    then: Action
    position: int | None = None
    is_active: bool = True


def create_rule(session: Session, *, user_id: UUID, rule: NewRule) -> RuleRecord:
    """Create a rule for the expenses that come from now on.

    Raises:
        InvalidInput
        Conflict: the user has `MAX_RULES` already, or more than `MAX_ALL_CONDITIONS` would be in them.
    """
    _lock_rules(session, user_id)
    checked_rule(session, user_id=user_id, when=rule.when, then=rule.then)
    others = list_rules(session, user_id=user_id)
    if len(others) >= MAX_RULES:
        raise Conflict(f"there are {MAX_RULES} rules already; delete one first")
    _check_total(others, rule.when)
    now = clock.now()
    created = RuleRecord(
        user_id=user_id,
        id=new_id(),
        name=rule.name,
        position=min(rule.position or MAX_RULES, len(others) + 1),
        condition=dict(rule.when),
        **_columns(rule.then),
        is_active=rule.is_active,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.execute(insert(RULES), {name: getattr(created, name) for name in RuleRecord.__struct_fields__})
    _arrange(session, others, at=created.position)
    return created


def change_rule(
    session: Session,
    *,
    user_id: UUID,
    rule_id: UUID,
    changes: Mapping[str, Any],
    expected_versions: Set[int] | None = None,
) -> RuleRecord:
    """Change fields of a `NewRule`; nothing new leaves the version as it is.

    Raises:
        NotFound, StaleVersion, InvalidInput
        Conflict: more than `MAX_ALL_CONDITIONS` would be in the rules.
    """
    _lock_rules(session, user_id)
    rule = load_rule(session, user_id=user_id, rule_id=rule_id)
    check_version(rule.version, expected_versions)
    wanted: dict[str, Any] = {name: changes[name] for name in ("name", "is_active") if name in changes}
    others = [one for one in list_rules(session, user_id=user_id) if one.id != rule_id]
    if "when" in changes:
        _checked_condition(changes["when"])
        _check_total(others, changes["when"])
        wanted["condition"] = dict(changes["when"])
    if "then" in changes:
        _check_action(session, user_id, changes["then"])
        wanted |= _columns(changes["then"])
    if "position" in changes:
        wanted["position"] = min(changes["position"], len(others) + 1)
    news = {name: value for name, value in wanted.items() if value != getattr(rule, name)}
    if not news:
        return rule
    session.execute(
        update(RULES)
        .where(RULES.c.user_id == user_id, RULES.c.id == rule_id)
        .values(**news, version=rule.version + 1, updated_at=clock.now())
    )
    if "position" in news:
        _arrange(session, others, at=news["position"])
    return load_rule(session, user_id=user_id, rule_id=rule_id)


def delete_rule(
    session: Session, *, user_id: UUID, rule_id: UUID, expected_versions: Set[int] | None = None
) -> None:
    """Delete the rule; what it has set stays.

    Raises:
        NotFound, StaleVersion
    """
    _lock_rules(session, user_id)
    rule = load_rule(session, user_id=user_id, rule_id=rule_id)
    check_version(rule.version, expected_versions)
    session.execute(delete(RULES).where(RULES.c.user_id == user_id, RULES.c.id == rule_id))
    _arrange(session, list_rules(session, user_id=user_id))


def checked_rule(session: Session, *, user_id: UUID, when: Document, then: Action) -> Rule:
    """The rule that a client gives, whether or not it is to be kept.

    Raises:
        InvalidInput
    """
    condition = _checked_condition(when)
    _check_action(session, user_id, then)
    return Rule(condition, then)


def _checked_condition(document: Document) -> Condition:
    try:
        return read_condition(document)
    except ConditionError as error:
        raise invalid(f"/when{error.pointer}", error.detail) from error


def _check_total(others: Sequence[RuleRecord], when: Document) -> None:
    total = count_conditions(when) + sum(count_conditions(rule.condition) for rule in others)
    if total > MAX_ALL_CONDITIONS:
        raise Conflict(f"all rules would have {total} conditions; {MAX_ALL_CONDITIONS} are the most")


def _check_action(session: Session, user_id: UUID, then: Action) -> None:
    if then == Action():
        raise invalid("/then", "does nothing: give a category_id, add_tags or a payee")
    if then.category_id is None:
        return
    if find_category(session, user_id=user_id, category_id=then.category_id) is None:
        raise invalid("/then/category_id", "no such category")


def _lock_rules(session: Session, user_id: UUID) -> None:
    if lock_user(session, user_id=user_id) is None:
        raise NotFound("no such user")


def _columns(then: Action) -> dict[str, Any]:
    return {
        "category_id": then.category_id,
        "payee": then.payee,
        "add_tags": list(dict.fromkeys(then.add_tags)),
    }


def _arrange(session: Session, rules: Sequence[RuleRecord], *, at: int | None = None) -> None:
    """Number the rules from 1 on, leaving out the position that another one has taken."""
    places = [place for place in range(1, len(rules) + 2) if place != at]
    moved = [
        {"owner": rule.user_id, "its_id": rule.id, "new_position": place, "moved_at": clock.now()}
        for rule, place in zip(rules, places, strict=False)
        if rule.position != place
    ]
    if moved:
        session.execute(MOVE, moved)
