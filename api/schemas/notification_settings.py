"""What a user sets for the channels, as clients read and replace it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.schemas.common import Day, Instant
from core.queries.notification_settings import (
    FIRST_DAY,
    FIRST_HOUR,
    FIRST_WEEKDAY,
    QuietHours,
    SettingsRecord,
)
from core.rules.notification_kinds import KINDS, is_wanted
from core.services.notification_settings import SettingsInput

MAX_KINDS = 100
"""More than there are; each is looked up."""

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


class KindChannels(msgspec.Struct, forbid_unknown_fields=True):
    """Where notifications of a kind go; what is left out goes by the kind's default.

    Without `in_app` they come into the inbox as read and over the WebSocket as muted.
    """

    in_app: bool | None = None
    email: bool | None = None
    push: bool | None = None

    def given(self) -> dict[str, bool]:
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}


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

    frequency: Literal["off", "daily", "weekly", "monthly"]
    hour: Hour
    weekday: Weekday
    day: MonthDay
    when_empty: bool


class SettingsIn(msgspec.Struct, forbid_unknown_fields=True):
    """All settings; what is left out goes back to its default."""

    kinds: Annotated[
        dict[str, KindChannels],
        Meta(
            max_length=MAX_KINDS,
            examples=[{"budget.threshold": {"in_app": True, "email": True, "push": True}}],
        ),
    ] = {}
    quiet_hours: QuietHoursModel | None = None
    digest: DigestIn = msgspec.field(default_factory=DigestIn)

    def to_input(self) -> SettingsInput:
        quiet, digest = self.quiet_hours, self.digest
        return SettingsInput(
            kinds={kind: channels.given() for kind, channels in self.kinds.items()},
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
        Meta(examples=[{"budget.threshold": {"in_app": True, "email": True, "push": True}}]),
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


def _kind(kind: str, record: SettingsRecord) -> KindSettings:
    return KindSettings(
        in_app=kind not in record.muted_kinds,
        email=is_wanted(kind, "email", record.choices),
        push=is_wanted(kind, "push", record.choices),
    )


def _minutes(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
