"""Rules of an archive, behind those that are there, in their order."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from msgspec import structs
from sqlalchemy import insert
from sqlalchemy.orm import Session

from core.archive.fields import NOTHING
from core.archive.reading import Entry
from core.archive.records import Condition, RuleItem
from core.errors import FieldError, InvalidInput, invalid
from core.field_errors import field_error
from core.queries.expense_rules import RULES, RuleRecord, list_rules
from core.rules.conditions import ConditionError, count_conditions, read_condition
from core.services.archived_drafts import Drafts, draft_each, items_of
from core.services.expense_rules import MAX_ALL_CONDITIONS, MAX_RULES


def draft_rules(
    session: Session, *, user_id: UUID, entries: Iterable[Entry], category_ids: Mapping[UUID, UUID]
) -> Drafts[RuleRecord]:
    """The caller holds the user's lock if they are to be stored."""
    drafting = _Drafting(user_id, list_rules(session, user_id=user_id), category_ids)
    return draft_each(
        sorted(items_of(entries, RuleItem), key=lambda one: one[1].position),
        drafting.draft,
    )


class _Drafting:
    """`category_ids` lead from the archive's categories to the user's."""

    def __init__(self, user_id: UUID, there: Sequence[RuleRecord], category_ids: Mapping[UUID, UUID]) -> None:
        self._user_id = user_id
        self._category_ids = category_ids
        self._ids = {rule.id for rule in there}
        self._last = max((rule.position for rule in there), default=0)
        self._conditions = sum(count_conditions(rule.condition) for rule in there)

    def draft(self, item: RuleItem) -> RuleRecord | None:
        """Raises: InvalidInput."""
        if item.id in self._ids:
            return None
        if item.id == NOTHING:
            raise invalid("/id", "is no id of its own")
        _check_condition(item)
        then = item.then
        if then.category_id is None and then.payee is None and not then.add_tags:
            raise invalid("/then", "does nothing")
        category_id = None if then.category_id is None else self._category_ids.get(then.category_id)
        if category_id is None and then.category_id is not None:
            raise invalid("/then/category_id", "no such category")
        count = count_conditions(item.when)
        if len(self._ids) >= MAX_RULES or self._conditions + count > MAX_ALL_CONDITIONS:
            raise invalid("", f"{MAX_RULES} rules with {MAX_ALL_CONDITIONS} conditions are the most")
        self._ids.add(item.id)
        self._conditions += count
        self._last += 1
        return RuleRecord(
            user_id=self._user_id,
            id=item.id,
            name=item.name,
            position=self._last,
            condition=item.when,
            category_id=category_id,
            payee=then.payee,
            add_tags=list(dict.fromkeys(then.add_tags)),
            is_active=item.is_active,
            version=item.version,
            created_at=item.created_at,
            updated_at=item.updated_at,
        )


def _check_condition(item: RuleItem) -> None:
    """Its form, and whether it makes sense."""
    try:
        msgspec.convert(item.when, Condition)
        read_condition(item.when)
    except msgspec.ValidationError as error:
        wrong = field_error(str(error))
        raise InvalidInput(FieldError(f"/when{wrong.pointer}", wrong.detail)) from error
    except ConditionError as error:
        raise invalid(f"/when{error.pointer}", error.detail) from error


def store_rules(session: Session, rules: Sequence[RuleRecord]) -> None:
    if rules:
        session.execute(insert(RULES), [structs.asdict(rule) for rule in rules])
