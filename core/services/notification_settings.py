"""Changing what goes out on which channel, when it must not, and when digests come."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import FieldError, InvalidInput, Unauthenticated, invalid
from core.models import Channel, Delivery, Notification, NotificationSettings, User, table_of
from core.queries.notification_settings import QuietHours, SettingsRecord, load_settings_of
from core.rules.digests import DigestPlan, Frequency, due_instant, next_due_day
from core.rules.notification_kinds import KINDS, concerns_security, is_wanted
from core.services.audit import UNKNOWN, Action, Origin, record_action
from core.services.dialects import insert_into
from core.services.locks import lock_user
from core.services.versions import check_version

SETTINGS = table_of(NotificationSettings)
CHANNELS = table_of(Channel)
DELIVERIES = table_of(Delivery)
NOTIFICATIONS = table_of(Notification)
USERS = table_of(User)

IN_APP = "in_app"

DROPPED_AT_ONCE = 500
"""Ids in a statement, whose parameters are limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsInput:
    """All that can be set; what is not among `kinds` goes by the defaults. A kind's channels are `in_app`,
    `email` and `push`."""

    kinds: Mapping[str, Mapping[str, bool]]
    quiet_hours: QuietHours | None
    frequency: Frequency | None
    hour: int
    weekday: int
    day: int
    has_empty_digests: bool


def set_settings(
    session: Session, *, user_id: UUID, given: SettingsInput, expected_versions: Set[int] | None = None
) -> SettingsRecord:
    """Replace a user's settings; what is held back for quiet hours is looked at again.

    Raises:
        InvalidInput, StaleVersion
        Unauthenticated: the account is gone.
    """
    quiet = given.quiet_hours
    if quiet is not None and quiet.from_minute == quiet.to_minute:
        raise invalid("/quiet_hours/to", "the same as from: that is either no time or all day")
    _check_told(given.kinds)
    user = lock_user(session, user_id=user_id)
    if user is None:
        raise Unauthenticated("the account is gone")
    before = load_settings_of(session, user_id=user_id)
    check_version(before.version, expected_versions)
    muted = sorted(kind for kind, channels in given.kinds.items() if channels.get(IN_APP) is False)
    session.execute(update(USERS).where(USERS.c.id == user_id).values(muted_kinds=muted))
    values = {
        **_values(given),
        **_next_digest(user_id, user.timezone, given, before),
        "version": before.version + 1,
        "updated_at": clock.now(),
    }
    row = insert_into(session, SETTINGS).values(user_id=user_id, **values)
    session.execute(row.on_conflict_do_update(index_elements=["user_id"], set_=values))
    _drop_unwanted(session, user_id=user_id, choices=values["choices"])
    look_again_at_held(session, user_id=user_id)
    return load_settings_of(session, user_id=user_id)


def switch_off(session: Session, *, user_id: UUID, kinds: Set[str], origin: Origin = UNKNOWN) -> None:
    """Send no more mails of these kinds, as a link in one asks for. It can be repeated."""
    user = lock_user(session, user_id=user_id)
    if user is None:
        return
    before = load_settings_of(session, user_id=user_id)
    off = {kind: {**before.choices.get(kind, {}), "email": False} for kind in kinds}
    choices = {**before.choices, **off}
    values = {"choices": choices, "version": before.version + 1, "updated_at": clock.now()}
    row = insert_into(session, SETTINGS).values(**_values(_nothing_set()) | values, user_id=user_id)
    session.execute(row.on_conflict_do_update(index_elements=["user_id"], set_=values))
    _drop_unwanted(session, user_id=user_id, choices=choices)
    record_action(session, Action(user_id, "mails.unsubscribed", origin=origin))


def move_digests(session: Session, *, user_id: UUID, timezone: str) -> None:
    """In another time zone the next digest is that of the same day, at that day's hour there."""
    row = session.execute(
        select(SETTINGS).where(SETTINGS.c.user_id == user_id, SETTINGS.c.next_digest_on.is_not(None))
    ).first()
    if row is None:
        return
    record = load_settings_of(session, user_id=user_id)
    if record.digest is None or record.next_digest_on is None:
        return
    due_at = due_instant(record.digest, record.next_digest_on, timezone, user_id=user_id)
    session.execute(update(SETTINGS).where(SETTINGS.c.user_id == user_id).values(next_digest_at=due_at))


def look_again_at_held(session: Session, *, user_id: UUID) -> None:
    """What was held back and never tried is due now; whoever sends it looks at the clock again."""
    now = clock.now()
    session.execute(
        update(DELIVERIES)
        .where(
            DELIVERIES.c.user_id == user_id,
            DELIVERIES.c.state == "pending",
            DELIVERIES.c.first_tried_at.is_(None),
            DELIVERIES.c.available_at > now,
        )
        .values(available_at=now)
    )


def _drop_unwanted(session: Session, *, user_id: UUID, choices: Mapping[str, Any]) -> None:
    """What waits for a channel on which its kind is not wanted any more is not sent."""
    waiting = session.execute(
        select(DELIVERIES.c.id, NOTIFICATIONS.c.kind, CHANNELS.c.kind.label("channel"))
        .join(
            CHANNELS,
            (CHANNELS.c.user_id == DELIVERIES.c.user_id) & (CHANNELS.c.id == DELIVERIES.c.channel_id),
        )
        .join(
            NOTIFICATIONS,
            (NOTIFICATIONS.c.user_id == DELIVERIES.c.user_id) & (NOTIFICATIONS.c.seq == DELIVERIES.c.seq),
        )
        .where(
            DELIVERIES.c.user_id == user_id,
            DELIVERIES.c.state.in_(("pending", "failed")),
            CHANNELS.c.kind.in_(("email", "push")),
        )
    ).all()
    unwanted = [row.id for row in waiting if not is_wanted(row.kind, row.channel, choices)]
    for first in range(0, len(unwanted), DROPPED_AT_ONCE):
        session.execute(
            update(DELIVERIES)
            .where(
                DELIVERIES.c.user_id == user_id,
                DELIVERIES.c.id.in_(unwanted[first : first + DROPPED_AT_ONCE]),
            )
            .values(state="dead", last_error="not wanted any more, by the settings")
        )


def _nothing_set() -> SettingsInput:
    record = SettingsRecord()
    return SettingsInput(
        kinds={},
        quiet_hours=None,
        frequency=None,
        hour=record.digest_hour,
        weekday=record.digest_weekday,
        day=record.digest_day,
        has_empty_digests=False,
    )


def _values(given: SettingsInput) -> dict[str, Any]:
    quiet = given.quiet_hours
    return {
        "choices": _choices(given.kinds),
        "quiet_from": None if quiet is None else quiet.from_minute,
        "quiet_to": None if quiet is None else quiet.to_minute,
        "lets_exceeded_pass": quiet is not None and quiet.lets_exceeded_pass,
        "digest_frequency": given.frequency or "off",
        "digest_hour": given.hour,
        "digest_weekday": given.weekday,
        "digest_day": given.day,
        "has_empty_digests": given.has_empty_digests,
    }


def _check_told(kinds: Mapping[str, Mapping[str, bool]]) -> None:
    """Refuse that somebody is not told of what happens to the account, rather than ignore it."""
    silenced = [
        FieldError(f"/kinds/{kind}/{channel}", "of what concerns the account's security you are always told")
        for kind, channels in kinds.items()
        for channel in (IN_APP, "email")
        if concerns_security(kind) and channels.get(channel) is False
    ]
    if silenced:
        raise InvalidInput(*silenced)


def _choices(kinds: Mapping[str, Mapping[str, bool]]) -> dict[str, dict[str, bool]]:
    """Without what is the default anyway: should that change, it changes for whoever left it as it was."""
    choices = {}
    for kind, channels in kinds.items():
        defaults = {"email": KINDS[kind].email, "push": KINDS[kind].push}
        differing = {name: one for name, one in channels.items() if one != defaults.get(name, one)}
        if differing:
            choices[kind] = differing
    return choices


def _is_overdue(record: SettingsRecord, now: datetime) -> bool:
    return record.next_digest_at is not None and record.next_digest_at <= now


def _next_digest(
    user_id: UUID, timezone: str, given: SettingsInput, before: SettingsRecord
) -> dict[str, Any]:
    """A digest that is due already, and asked for still, is not forgotten."""
    if given.frequency is None:
        return {"next_digest_on": None, "next_digest_at": None}
    plan = DigestPlan(given.frequency, given.hour, given.weekday, given.day)
    if plan == before.digest:
        return {"next_digest_on": before.next_digest_on, "next_digest_at": before.next_digest_at}
    now = clock.now()
    if before.digest and before.digest.frequency == plan.frequency and _is_overdue(before, now):
        return {"next_digest_on": before.next_digest_on, "next_digest_at": now}
    today = clock.local_date(now, timezone)
    day = next_due_day(plan, now, timezone, user_id=user_id, today=today)
    return {"next_digest_on": day, "next_digest_at": due_instant(plan, day, timezone, user_id=user_id)}
