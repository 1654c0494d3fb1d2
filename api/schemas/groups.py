"""Groups and their members as clients write and read them."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import PLAIN, Currency, Cursor, Id, Instant, Limit, NextCursor, OnlyPage, amount_text
from api.schemas.splits import EqualSplit, PercentSplit, SharesSplit
from core.queries.groups import GroupScope, MemberRecord
from core.rules.debt_reminders import MAX_REMINDER_DAYS, MIN_REMINDER_DAYS
from core.rules.roles import Role
from core.services.groups import NewGroup

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=PLAIN,
        description="Blanks around it are cut off.",
        examples=["Flat in Lisbon"],
    ),
]
MemberName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=PLAIN,
        description="Unique among those in the group, whatever the case; blanks around it are cut off.",
        examples=["Grace"],
    ),
]
DefaultSplit = Annotated[
    EqualSplit | SharesSplit | PercentSplit,
    Meta(description="How an expense is divided that does not say so. Whoever leaves is taken out of it."),
]
DefaultCategory = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=PLAIN,
        description="Name of the category under which members who have none of the expense's own find their "
        "shares.",
        examples=["Housing"],
    ),
]
SettlementDays = Annotated[
    int,
    Meta(
        ge=1,
        le=365,
        description="How long a settlement may be pending before its receiver is asked.",
        examples=[7],
    ),
]
DebtReminderDays = Annotated[
    int,
    Meta(
        ge=MIN_REMINDER_DAYS,
        le=MAX_REMINDER_DAYS,
        description="For how many days a member may owe another one before they are reminded, and again; "
        "null: never.",
        examples=[14],
    ),
]
SimplifyDebts = Annotated[
    bool, Meta(description="Show who owes whom with as few debts as possible.", examples=[True])
]
MemberRole = Annotated[
    Role,
    Meta(
        description="`viewer` reads, `member` writes expenses and settlements, `admin` sees to members and "
        "invitations, `owner` to the group itself.",
        examples=["member"],
    ),
]
MirrorExpenses = Annotated[
    bool, Meta(description="Whether one's shares appear among one's own expenses.", examples=[True])
]


class GroupIn(msgspec.Struct, forbid_unknown_fields=True):
    """A group to create."""

    name: Name
    currency: (
        Annotated[Currency, Meta(description="Of expenses that do not say theirs; default: the user's.")]
        | None
    ) = None
    simplify_debts: SimplifyDebts = True
    default_split: DefaultSplit = msgspec.field(default_factory=EqualSplit)
    default_category: DefaultCategory | None = None
    settlement_days: SettlementDays = 7
    debt_reminder_days: DebtReminderDays | None = None

    def to_new_group(self) -> NewGroup:
        return NewGroup(
            name=self.name,
            currency=self.currency,
            simplify_debts=self.simplify_debts,
            default_split=_document(self.default_split),
            default_category=self.default_category,
            settlement_days=self.settlement_days,
            debt_reminder_days=self.debt_reminder_days,
        )


class GroupPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change."""

    name: Name | UnsetType = UNSET
    currency: Annotated[Currency, Meta(description="Of expenses that do not say theirs.")] | UnsetType = UNSET
    simplify_debts: SimplifyDebts | UnsetType = UNSET
    default_split: DefaultSplit | UnsetType = UNSET
    default_category: DefaultCategory | UnsetType | None = UNSET
    settlement_days: SettlementDays | UnsetType = UNSET
    debt_reminder_days: DebtReminderDays | UnsetType | None = UNSET

    def to_changes(self) -> dict[str, Any]:
        changes = _given(self)
        if "default_split" in changes:
            changes["default_split"] = _document(changes["default_split"])
        return changes


class MemberIn(msgspec.Struct, forbid_unknown_fields=True):
    """Somebody without an account. Whoever has one, or is to have one, is invited."""

    display_name: MemberName
    role: MemberRole = "member"


class MemberPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change."""

    display_name: MemberName | UnsetType = UNSET
    role: MemberRole | UnsetType = UNSET
    mirror_expenses: MirrorExpenses | UnsetType = UNSET

    def to_changes(self) -> dict[str, Any]:
        names = {"mirror_expenses": "mirrors_expenses"}
        return {names.get(name, name): value for name, value in _given(self).items()}


class MemberOut(msgspec.Struct):
    """A person in the group."""

    HAS_ETAG: ClassVar = True

    id: Id
    display_name: MemberName
    role: MemberRole
    has_account: Annotated[bool, Meta(description="Otherwise an invitation may claim it.", examples=[True])]
    is_me: Annotated[bool, Meta(examples=[True])]
    mirror_expenses: Annotated[
        MirrorExpenses | None, Meta(description="null where it is somebody else's.", examples=[True])
    ]
    created_at: Instant
    updated_at: Instant
    left_at: Annotated[Instant | None, Meta(description="null while in the group.", examples=[None])]

    @classmethod
    def of(cls, member: MemberRecord, *, me: MemberRecord) -> "MemberOut":
        is_me = member.id == me.id
        return cls(
            id=member.id,
            display_name=member.display_name,
            role=member.role,
            has_account=member.user_id is not None,
            is_me=is_me,
            mirror_expenses=member.mirrors_expenses if is_me else None,
            created_at=member.created_at,
            updated_at=member.updated_at,
            left_at=member.left_at,
        )


class GroupOut(msgspec.Struct):
    """A group with the members who are in it. The `ETag` is the version of its own fields."""

    HAS_ETAG: ClassVar = True

    id: Id
    name: Name
    currency: Currency
    simplify_debts: SimplifyDebts
    default_split: Annotated[
        dict[str, Any],
        Meta(description="As in the request.", examples=[{"kind": "equal", "member_ids": []}]),
    ]
    default_category: DefaultCategory | None
    settlement_days: SettlementDays
    debt_reminder_days: DebtReminderDays | None
    members: list[MemberOut]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, scope: GroupScope) -> "GroupOut":
        group = scope.group
        return cls(
            id=group.id,
            name=group.name,
            currency=group.currency,
            simplify_debts=group.simplify_debts,
            default_split=group.default_split,
            default_category=group.default_category,
            settlement_days=group.settlement_days,
            debt_reminder_days=group.debt_reminder_days,
            members=[MemberOut.of(member, me=scope.me) for member in scope.present_members()],
            created_at=group.created_at,
            updated_at=group.updated_at,
        )


class GroupPage(msgspec.Struct):
    items: list[GroupOut]
    next_cursor: NextCursor


class GroupQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Cursor | None = None


class MemberPage(msgspec.Struct):
    """All of them, the oldest first."""

    items: list[MemberOut]
    next_cursor: OnlyPage = None


class MemberQuery(msgspec.Struct, forbid_unknown_fields=True):
    former: Annotated[bool, Meta(description="Those who have left instead.")] = False


def _given(patch: msgspec.Struct) -> dict[str, Any]:
    fields = {name: getattr(patch, name) for name in patch.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not UNSET}


def _document(split: EqualSplit | SharesSplit | PercentSplit) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(split, enc_hook=amount_text)
    return document
