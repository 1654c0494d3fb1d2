"""Webhooks, channels and their deliveries as clients write and read them."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import PLAIN, TEXT, Cursor, Id, Instant, Limit, NextCursor
from api.schemas.notifications import Seq
from core.outgoing.targets import MAX_URL
from core.queries.channels import ChannelRecord
from core.queries.deliveries import DeliveryRecord
from core.rules.deliveries import Fate, Outcome
from core.rules.notification_kinds import KINDS
from core.services.delivery_settling import shown_url

Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_URL,
        pattern=TEXT,
        description="http:// or https://, without a user name; its host must have a public address.",
        examples=["https://example.com/outlay"],
    ),
]
PushUrl = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_URL,
        pattern=TEXT,
        description="Of a push or chat service, as github.com/caronc/apprise/wiki describes it. It is "
        "kept as a secret: no answer shows it again.",
        examples=["ntfys://ntfy.example.com/outlay-kim"],
    ),
]
Name = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=PLAIN, examples=["Phone"], description="For people.")
]
Kinds = Annotated[
    list[Annotated[str, Meta(max_length=40, pattern=TEXT)]],
    Meta(
        max_length=len(KINDS),
        description="Kinds of notification that are sent; empty: all.",
        examples=[["budget.threshold"]],
    ),
]
IsActive = Annotated[
    bool,
    Meta(
        description="false: nothing is sent. Who is switched off for failing can be switched on again.",
        examples=[True],
    ),
]
OffReason = Annotated[str | None, Meta(description="Why it is off.", examples=[None])]
OffAt = Annotated[Instant | None, Meta(examples=[None])]
Status = Annotated[int | None, Meta(description="HTTP status of the last answer.", examples=[200])]


class WebhookIn(msgspec.Struct, forbid_unknown_fields=True):
    """Where notifications are posted, signed by the Standard Webhooks specification."""

    url: Url
    kinds: Kinds = []
    name: Name | None = None


class WebhookPatch(msgspec.Struct, forbid_unknown_fields=True):
    url: Url | UnsetType = UNSET
    kinds: Kinds | UnsetType = UNSET
    name: Name | UnsetType | None = UNSET
    is_active: IsActive | UnsetType = UNSET

    def to_changes(self) -> dict[str, Any]:
        return _given(self, "kinds", "name", "is_active")


class WebhookOut(msgspec.Struct):
    HAS_ETAG: ClassVar = True

    id: Id
    url: Url
    kinds: Kinds
    name: Name | None
    is_active: IsActive
    off_reason: OffReason
    off_at: OffAt
    secret_issue: Annotated[int, Meta(description="How many secrets it has had.", examples=[1])]
    previous_secret_until: Annotated[
        Instant | None, Meta(description="Until when secrets before sign as well.", examples=[None])
    ]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, channel: ChannelRecord) -> "WebhookOut":
        return cls(**{name: getattr(channel, name) for name in WebhookOut.__struct_fields__})


class WebhookWithSecretOut(WebhookOut):
    """`secret` is shown here only: put it where the receiver verifies."""

    HAS_ETAG: ClassVar = True

    secret: Annotated[str, Meta(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])]


class WebhookPage(msgspec.Struct):
    items: list[WebhookOut]
    next_cursor: Annotated[str | None, Meta(examples=[None])] = None


class ChannelIn(msgspec.Struct, forbid_unknown_fields=True):
    """A push or chat service. What goes there is in the notification settings."""

    url: PushUrl
    name: Name | None = None


class ChannelPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Of the mail channel only `is_active` can be changed."""

    url: PushUrl | UnsetType = UNSET
    name: Name | UnsetType | None = UNSET
    is_active: IsActive | UnsetType = UNSET

    def to_changes(self) -> dict[str, Any]:
        return _given(self, "name", "is_active")


class ChannelOut(msgspec.Struct):
    HAS_ETAG: ClassVar = True

    id: Id
    kind: Annotated[
        Literal["email", "push"], Meta(description="Everybody has one for mails.", examples=["push"])
    ]
    url: Annotated[
        str | None,
        Meta(
            description="Scheme and host; of mails null, as they go to the account's address.",
            examples=["ntfys://ntfy.example.com"],
        ),
    ]
    name: Name | None
    is_active: IsActive
    off_reason: OffReason
    off_at: OffAt
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, channel: ChannelRecord) -> "ChannelOut":
        return cls(
            id=channel.id,
            kind="email" if channel.kind == "email" else "push",
            url=shown_url(channel.kind, channel.url, channel.host),
            name=channel.name,
            is_active=channel.is_active,
            off_reason=channel.off_reason,
            off_at=channel.off_at,
            created_at=channel.created_at,
            updated_at=channel.updated_at,
        )


class ChannelPage(msgspec.Struct):
    items: list[ChannelOut]
    next_cursor: Annotated[str | None, Meta(examples=[None])] = None


class ChannelTestOut(msgspec.Struct):
    """What has become of a message that was sent just now."""

    is_sent: Annotated[bool, Meta(examples=[True])]
    status: Status
    error: Annotated[str | None, Meta(examples=[None])]

    @classmethod
    def of(cls, outcome: Outcome) -> "ChannelTestOut":
        return cls(outcome.fate is Fate.SENT, outcome.status, outcome.error or None)


DeliveryState = Annotated[
    Literal["pending", "failed", "sent", "dead"],
    Meta(description="`failed` is tried again, `dead` is not.", examples=["sent"]),
]


class DeliveryOut(msgspec.Struct):
    """The sending of a notification on a channel."""

    id: Annotated[Id, Meta(description="Of a webhook, the `webhook-id` of every try.")]
    seq: Seq
    kind: Annotated[str, Meta(examples=["budget.threshold"])]
    state: DeliveryState
    attempts: Annotated[int, Meta(examples=[1])]
    last_status: Status
    last_error: Annotated[str | None, Meta(examples=[None])]
    next_attempt_at: Annotated[
        Instant | None,
        Meta(
            description="null when it is over. While it is sent, when it would be taken for lost.",
            examples=[None],
        ),
    ]
    attempted_at: Annotated[Instant | None, Meta(description="The last time.")]
    sent_at: Instant | None
    created_at: Instant

    @classmethod
    def of(cls, delivery: DeliveryRecord) -> "DeliveryOut":
        names = cls.__struct_fields__
        values = {name: getattr(delivery, name) for name in names if name != "next_attempt_at"}
        is_over = delivery.state in ("sent", "dead")
        return cls(**values, next_attempt_at=None if is_over else delivery.available_at)


class DeliveryPage(msgspec.Struct):
    items: list[DeliveryOut]
    next_cursor: NextCursor


class DeliveryQuery(msgspec.Struct, forbid_unknown_fields=True):
    state: DeliveryState | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


def _given(patch: msgspec.Struct, *names: str) -> dict[str, Any]:
    return {name: getattr(patch, name) for name in names if getattr(patch, name) is not UNSET}
