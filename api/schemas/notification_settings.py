"""What a user sets for the channels, as clients read and replace it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api.schemas.common import Day, Instant
from core.errors import FieldError, InvalidInput
from core.field_errors import escaped_name
from core.queries.notification_settings import (
    FIRST_DAY,
    FIRST_HOUR,
    FIRST_WEEKDAY,
    QuietHours,
    SettingsRecord,
)
from core.rules.notification_kinds import KINDS, is_muted, is_wanted
from core.services.notification_settings import SettingsInput

MAX_KINDS = 100
"""More than there are; each is looked up."""

CHANNELS = ("in_app", "email", "push")
EXAMPLE_KINDS = {"budget.threshold": dict.fromkeys(CHANNELS, True)}

Kinds = Annotated[
    dict[str, Any],
    Meta(
        max_length=MAX_KINDS,
        description="Where notifications of a kind go; what is left out goes by the kind's default. Without "
        "`in_app` they come into the inbox as read, and over the WebSocket as muted. What concerns the "
        "account's security comes into the inbox and by mail in any case.",
        examples=[EXAMPLE_KINDS],
        extra_json_schema={
            "propertyNames": {"enum": sorted(KINDS)},
            "additionalProperties": {
                "type": "object",
                "properties": {name: {"type": "boolean"} for name in CHANNELS},
                "additionalProperties": False,
            },
        },
    ),
]
"""Checked by hand: of the keys and values of an object msgspec does not say which one is wrong."""

Clock = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)",
        description="On the user's clock.",
        examples=["22:00"],
    ),
]
Hour = Annotated[int, Meta(ge=0, le=23, description="On the user's clock.", examples=[8])]
Weekday = Annotated[
    int, Meta(ge=1, le=7, description="1: Monday, 7: Sunday; for weekly digests.", examples=[1])
]
MonthDay = Annotated[
    int,
    Meta(ge=1, le=31, description="For monthly digests; in shorter months their last day.", examples=[1]),
]


class QuietHoursModel(msgspec.Struct, forbid_unknown_fields=True):
    """No mails and pushes in these hours; they are sent afterwards."""

    from_: Annotated[Clock, Meta(examples=["22:00"])] = msgspec.field(name="from")
    to: Annotated[Clock, Meta(description="Over midnight if it is the earlier one.", examples=["07:00"])]
    let_exceeded_pass: Annotated[
        bool, Meta(description="Alerts of 100 % and more are sent all the same.", examples=[True])
    ] = False


class DigestIn(msgspec.Struct, forbid_unknown_fields=True):
    """When digests come."""

    frequency: Literal["off", "daily", "weekly", "monthly"] = "off"
    hour: Hour = FIRST_HOUR
    weekday: Weekday = FIRST_WEEKDAY
    day: MonthDay = FIRST_DAY
    when_empty: Annotated[bool, Meta(description="Also when there is nothing to say.", examples=[False])] = (
        False
    )


class DigestSettings(msgspec.Struct):
    """When digests come."""

    frequency: Annotated[Literal["off", "daily", "weekly", "monthly"], Meta(examples=["weekly"])]
    hour: Hour
    weekday: Weekday
    day: MonthDay
    when_empty: Annotated[bool, Meta(examples=[True])]


class SettingsIn(msgspec.Struct, forbid_unknown_fields=True):
    """All settings; what is left out goes back to its default."""

    kinds: Kinds = {}
    quiet_hours: QuietHoursModel | None = None
    digest: DigestIn = msgspec.field(default_factory=DigestIn)

    def to_input(self) -> SettingsInput:
        quiet, digest = self.quiet_hours, self.digest
        return SettingsInput(
            kinds=_checked_kinds(self.kinds),
            quiet_hours=None
            if quiet is None
            else QuietHours(_minutes(quiet.from_), _minutes(quiet.to), quiet.let_exceeded_pass),
            frequency=None if digest.frequency == "off" else digest.frequency,
            hour=digest.hour,
            weekday=digest.weekday,
            day=digest.day,
            has_empty_digests=digest.when_empty,
        )


class KindSettings(msgspec.Struct):
    """Where notifications of a kind go. A webhook says itself which kinds it takes."""

    in_app: Annotated[bool, Meta(examples=[True])]
    email: Annotated[bool, Meta(description="If the address is verified.", examples=[True])]
    push: Annotated[bool, Meta(examples=[True])]


class SettingsOut(msgspec.Struct):
    """All settings, with what holds by default."""

    kinds: Annotated[
        dict[str, KindSettings],
        Meta(examples=[EXAMPLE_KINDS]),
    ]
    quiet_hours: QuietHoursModel | None
    digest: DigestSettings
    next_digest_on: Annotated[
        Day | None, Meta(description="The user's day of the next digest.", examples=["2026-05-11"])
    ]
    next_digest_at: Annotated[Instant | None, Meta(examples=["2026-05-11T06:03:20Z"])]

    @classmethod
    def of(cls, record: SettingsRecord) -> "SettingsOut":
        quiet = record.quiet_hours
        return cls(
            kinds={kind: _kind(kind, record) for kind in KINDS},
            quiet_hours=None
            if quiet is None
            else QuietHoursModel(
                from_=_clock(quiet.from_minute),
                to=_clock(quiet.to_minute),
                let_exceeded_pass=quiet.lets_exceeded_pass,
            ),
            digest=DigestSettings(
                "off" if record.digest is None else record.digest.frequency,
                record.digest_hour,
                record.digest_weekday,
                record.digest_day,
                record.has_empty_digests,
            ),
            next_digest_on=record.next_digest_on,
            next_digest_at=record.next_digest_at,
        )


def _checked_kinds(kinds: Mapping[str, Any]) -> dict[str, dict[str, bool]]:
    """Raises:
    InvalidInput: names everything that is wrong.
    """
    errors = [error for kind, channels in kinds.items() for error in _kind_errors(kind, channels)]
    if errors:
        raise InvalidInput(*errors)
    return {kind: dict(channels) for kind, channels in kinds.items()}


def _kind_errors(kind: str, channels: Any) -> Iterator[FieldError]:
    pointer = f"/kinds/{escaped_name(kind)}"
    if kind not in KINDS:
        yield FieldError(pointer, "no such kind of notification")
    elif not isinstance(channels, dict):
        yield FieldError(pointer, f"must be an object with {', '.join(CHANNELS)}")
    else:
        for name, value in channels.items():
            if name not in CHANNELS:
                yield FieldError(f"{pointer}/{escaped_name(name)}", f"must be one of {', '.join(CHANNELS)}")
            elif not isinstance(value, bool):
                yield FieldError(f"{pointer}/{name}", "must be true or false")


def _kind(kind: str, record: SettingsRecord) -> KindSettings:
    return KindSettings(
        in_app=not is_muted(kind, record.muted_kinds),
        email=is_wanted(kind, "email", record.choices),
        push=is_wanted(kind, "push", record.choices),
    )


def _minutes(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
