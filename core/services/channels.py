"""The channels on which a user's notifications go out."""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, FieldError, InvalidInput, NotFound
from core.ids import new_id
from core.models import Channel, table_of
from core.queries.channels import ChannelRecord, list_channels, load_channel
from core.queries.deliveries import DELIVERIES, IS_WAITING
from core.rules.notification_kinds import KINDS, ChannelKind
from core.rules.secret_issues import signing_issues
from core.services.account_changes import tell_of_change
from core.services.locks import lock_user
from core.services.versions import check_version

CHANNELS = table_of(Channel)

MAX_WEBHOOKS = 20
"""Of a user: each notification is sent to all of them."""

MAX_PUSHES = 10
"""Push services of a user."""

ROTATION_OVERLAP = timedelta(hours=24)
"""So long both the old and the new secret sign, for a receiver to take over the new one."""

MAX_SECRETS = 5
"""That sign at a time. Who has lost an answer rotates again, and what the receiver knows goes on to sign."""

SWITCHED_OFF = "you have switched it off"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChannel:
    """A webhook or push service; its URL has been checked, and `host` is whom it leads to."""

    kind: ChannelKind
    url: str
    host: str
    name: str | None = None
    kinds: Sequence[str] = ()


def switch_off_added_channels(session: Session, *, user_id: UUID, reason: str) -> None:
    """All webhooks and pushes of the user that are on: somebody else may have made them."""
    now = clock.now()
    session.execute(
        update(CHANNELS)
        .where(CHANNELS.c.user_id == user_id, CHANNELS.c.kind != "email", CHANNELS.c.state == "active")
        .values(state="off", off_reason=reason, off_at=now, updated_at=now, version=CHANNELS.c.version + 1)
    )


def add_mail_channel(session: Session, *, user_id: UUID, now: datetime) -> None:
    """Everybody has one; nothing goes out on it before the address is verified."""
    session.execute(
        insert(CHANNELS).values(
            user_id=user_id,
            id=user_id,
            kind="email",
            url="",
            host="",
            kinds=[],
            state="active",
            secret_issue=0,
            version=1,
            created_at=now,
            updated_at=now,
        )
    )


def create_channel(session: Session, *, user_id: UUID, channel: NewChannel) -> ChannelRecord:
    """
    Raises:
        InvalidInput: there is no such kind of notification.
        Conflict: the user has `MAX_WEBHOOKS` or `MAX_PUSHES` already.
    """
    _check_kinds(channel.kinds)
    if lock_user(session, user_id=user_id) is None:
        raise NotFound("no such user")
    most, what = (MAX_WEBHOOKS, "webhooks") if channel.kind == "webhook" else (MAX_PUSHES, "push channels")
    if len(list_channels(session, user_id=user_id, kinds=[channel.kind])) >= most:
        raise Conflict(f"there are {most} {what} already; delete one first")
    now = clock.now()
    created = ChannelRecord(
        user_id=user_id,
        id=new_id(),
        kind=channel.kind,
        name=channel.name,
        url=channel.url,
        host=channel.host,
        kinds=list(dict.fromkeys(channel.kinds)),
        state="active",
        off_reason=None,
        off_at=None,
        secret_issue=1 if channel.kind == "webhook" else 0,
        previous_secret_until=None,
        oldest_issue=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.execute(
        insert(CHANNELS), {name: getattr(created, name) for name in ChannelRecord.__struct_fields__}
    )
    tell_of_change(session, user_id=user_id, change="channel", name=channel.host)
    return created


def change_channel(
    session: Session,
    *,
    user_id: UUID,
    channel_id: UUID,
    of_kinds: Collection[ChannelKind],
    changes: Mapping[str, Any],
    expected_versions: Set[int] | None = None,
) -> ChannelRecord:
    """Change `name`, `kinds`, `is_active`, or `url` together with its `host`; nothing new leaves the version.

    What still waits goes to the new URL. What is due while the channel is off is dead.

    Raises:
        NotFound, StaleVersion, InvalidInput
        Conflict: the mail channel goes to the account's address, and has no name.
    """
    _check_kinds(changes.get("kinds", ()))
    found = load_channel(session, user_id=user_id, channel_id=channel_id, kinds=of_kinds, is_locked=True)
    check_version(found.version, expected_versions)
    if found.kind == "email" and changes.keys() - {"is_active"}:
        raise Conflict("the mail channel can only be switched on and off; its address is the account's")
    wanted = {name: value for name, value in changes.items() if name != "is_active"}
    now = clock.now()
    if changes.get("is_active", found.is_active) != found.is_active:
        is_on = changes["is_active"]
        wanted |= {
            "state": "active" if is_on else "off",
            "off_reason": None if is_on else SWITCHED_OFF,
            "off_at": None if is_on else now,
        }
    news = {name: value for name, value in wanted.items() if value != getattr(found, name)}
    if not news:
        return found
    _update(session, found, **news)
    if "url" in news:
        tell_of_change(session, user_id=user_id, change="channel", name=wanted["host"])
    if "host" in news:
        session.execute(
            update(DELIVERIES)
            .where(DELIVERIES.c.user_id == user_id, DELIVERIES.c.channel_id == channel_id, IS_WAITING)
            .values(host=news["host"])
        )
    return load_channel(session, user_id=user_id, channel_id=channel_id, kinds=of_kinds)


def rotate_secret(session: Session, *, user_id: UUID, channel_id: UUID) -> ChannelRecord:
    """Give a webhook the next secret; for `ROTATION_OVERLAP` the present one signs as well.

    So do those that sign now: which of them the receiver has is not known, and may be the oldest.

    Raises:
        NotFound
        Conflict: `MAX_SECRETS` sign already.
    """
    found = load_channel(session, user_id=user_id, channel_id=channel_id, kinds=["webhook"], is_locked=True)
    now = clock.now()
    issues = signing_issues(found, now)
    if len(issues) >= MAX_SECRETS:
        raise Conflict(
            f"{MAX_SECRETS} secrets sign already; the older ones do so until "
            f"{found.previous_secret_until:%Y-%m-%d %H:%M} UTC"
        )
    _update(
        session,
        found,
        secret_issue=found.secret_issue + 1,
        previous_secret_until=now + ROTATION_OVERLAP,
        oldest_issue=issues[-1],
    )
    return load_channel(session, user_id=user_id, channel_id=channel_id, kinds=["webhook"])


def delete_channel(
    session: Session,
    *,
    user_id: UUID,
    channel_id: UUID,
    of_kinds: Collection[ChannelKind],
    expected_versions: Set[int] | None = None,
) -> None:
    """Delete a channel with its deliveries.

    Raises:
        NotFound, StaleVersion
        Conflict: everybody has their mail channel.
    """
    found = load_channel(session, user_id=user_id, channel_id=channel_id, kinds=of_kinds, is_locked=True)
    check_version(found.version, expected_versions)
    if found.kind == "email":
        raise Conflict("the mail channel stays; switch it off instead")
    session.execute(delete(CHANNELS).where(CHANNELS.c.user_id == user_id, CHANNELS.c.id == channel_id))


def _update(session: Session, channel: ChannelRecord, **values: Any) -> None:
    session.execute(
        update(CHANNELS)
        .where(CHANNELS.c.user_id == channel.user_id, CHANNELS.c.id == channel.id)
        .values(version=channel.version + 1, updated_at=clock.now(), **values)
    )


def _check_kinds(kinds: Sequence[str]) -> None:
    unknown = [
        FieldError(f"/kinds/{index}", "no such kind") for index, kind in enumerate(kinds) if kind not in KINDS
    ]
    if unknown:
        raise InvalidInput(*unknown)
