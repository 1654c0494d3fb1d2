"""Rules as clients write and read them, and what trying them answers."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import PLAIN, Amount, Currency, Day, Id, Instant, OnlyPage
from api.schemas.conditions import When, condition_document
from api.schemas.expenses import Payee, Tag, TagsOut
from core.queries.expense_rules import RuleRecord
from core.queries.rule_trials import MAX_SHOWN, Change, Trial
from core.rules.expense_rules import MAX_TAGS, Action, Labels
from core.rules.money import format_amount
from core.services.expense_rules import MAX_RULES, NewRule

MAX_TRIED = 5_000
"""Two years of a busy household's expenses, in about a second."""

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=PLAIN, examples=["Bakeries"])]
Position = Annotated[
    int,
    Meta(
        ge=1,
        le=MAX_RULES,
        description="From 1 on; those from there on make room. Beyond the last one it is the end.",
        examples=[1],
    ),
]
IsActive = Annotated[bool, Meta(description="Whether it applies to new expenses.", examples=[True])]


class ThenIn(msgspec.Struct, forbid_unknown_fields=True):
    """What is set, at least one of these."""

    category_id: Annotated[Id, Meta(description="Where there is none yet, nor lines.")] | None = None
    add_tags: Annotated[
        list[Tag],
        Meta(
            max_length=MAX_TAGS,
            description=f"As far as the expense has less than {MAX_TAGS}.",
            examples=[["breakfast"]],
        ),
    ] = []
    payee: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=200,
                pattern=PLAIN,
                description="Instead of the one it came with.",
                examples=["Corner Bakery"],
            ),
        ]
        | None
    ) = None

    def to_action(self) -> Action:
        return Action(
            category_id=self.category_id,
            payee=self.payee,
            add_tags=tuple(dict.fromkeys(self.add_tags)),
        )


class RuleIn(msgspec.Struct, forbid_unknown_fields=True):
    """A rule for new expenses."""

    name: Name
    when: When
    then: ThenIn
    position: Position | None = None
    is_active: IsActive = True

    def to_new_rule(self) -> NewRule:
        return NewRule(
            name=self.name,
            when=condition_document(self.when),
            then=self.then.to_action(),
            position=self.position,
            is_active=self.is_active,
        )


class RulePatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change; `when` and `then` are given as a whole."""

    name: Name | UnsetType = UNSET
    when: When | UnsetType = UNSET
    then: ThenIn | UnsetType = UNSET
    position: Position | UnsetType = UNSET
    is_active: IsActive | UnsetType = UNSET

    def to_changes(self) -> dict[str, Any]:
        changes: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("name", "position", "is_active")
            if getattr(self, name) is not UNSET
        }
        if not isinstance(self.when, UnsetType):
            changes["when"] = condition_document(self.when)
        if not isinstance(self.then, UnsetType):
            changes["then"] = self.then.to_action()
        return changes


class ThenOut(msgspec.Struct):
    category_id: Id | None
    add_tags: TagsOut
    payee: Payee | None


class RuleOut(msgspec.Struct):
    HAS_ETAG: ClassVar = True

    id: Id
    name: Name
    position: Position
    when: When
    then: ThenOut
    is_active: IsActive
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, rule: RuleRecord) -> "RuleOut":
        when: Any = rule.condition
        return cls(
            id=rule.id,
            name=rule.name,
            position=rule.position,
            when=when,
            then=ThenOut(rule.category_id, rule.add_tags, rule.payee),
            is_active=rule.is_active,
            created_at=rule.created_at,
            updated_at=rule.updated_at,
        )


class RulePage(msgspec.Struct):
    items: list[RuleOut]
    next_cursor: OnlyPage = None


class TrialIn(
    msgspec.Struct, forbid_unknown_fields=True, rename={"from_day": "from", "to_day": "to"}, kw_only=True
):
    """A rule to try, as it would be created; without `when` and `then`, all active rules together."""

    IS_OPTIONAL: ClassVar = True

    name: Annotated[Name, Meta(description="Changes nothing here, as `position` and `is_active`.")] | None = (
        None
    )
    when: When | UnsetType = UNSET
    then: ThenIn | UnsetType = UNSET
    position: Position | None = None
    is_active: IsActive = True
    from_day: Annotated[Day, Meta(description="First day, inclusive.")] | None = None
    to_day: Annotated[Day, Meta(description="Last day, inclusive.")] | None = None
    limit: Annotated[
        int, Meta(ge=1, le=MAX_TRIED, description="Expenses to try it on, the newest first.")
    ] = 1_000
    ignore_categories: Annotated[
        bool, Meta(description="As if the expenses had come without their categories.")
    ] = False


class LabelsOut(msgspec.Struct):
    """What rules may change of an expense."""

    category_id: Id | None
    payee: Payee | None
    tags: TagsOut

    @classmethod
    def of(cls, labels: Labels) -> "LabelsOut":
        return cls(labels.category_id, labels.payee, list(labels.tags))


class ChangeOut(msgspec.Struct):
    expense_id: Id
    spent_on: Day
    amount: Amount
    currency: Currency
    before: LabelsOut
    after: LabelsOut

    @classmethod
    def of(cls, change: Change) -> "ChangeOut":
        expense = change.expense
        before = Labels(category_id=expense.category_id, payee=expense.payee, tags=expense.tags)
        return cls(
            expense.id,
            expense.spent_on,
            format_amount(expense.amount_minor, expense.currency),
            expense.currency,
            LabelsOut.of(before),
            LabelsOut.of(change.after),
        )


class TrialOut(msgspec.Struct):
    """What would change; nothing has."""

    examined: Annotated[int, Meta(description="Expenses that were looked at.", examples=[1000])]
    matched: Annotated[int, Meta(description="Those on which a condition holds.", examples=[57])]
    changed: Annotated[int, Meta(description="Those that would be otherwise.", examples=[12])]
    items: Annotated[list[ChangeOut], Meta(description=f"Of these the newest {MAX_SHOWN}.")]

    @classmethod
    def of(cls, trial: Trial) -> "TrialOut":
        items = [ChangeOut.of(change) for change in trial.changes]
        return cls(trial.examined, trial.matched, trial.changed, items)
