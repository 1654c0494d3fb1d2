"""From where somebody has logged in before, so that they are told of a login from elsewhere."""

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from core import clock
from core.models import KnownDevice, LoginSession, User, table_of
from core.services.dialects import insert_into
from core.services.notifications import NewNotification, notify
from core.services.purging import delete_some

DEVICES = table_of(KnownDevice)

REMEMBERED = timedelta(days=180)
"""A device that was not used for half a year is as good as a new one."""

NETWORK_BITS = {4: 16, 6: 32}
"""What stays the same of the addresses that a provider gives a customer, one after the other."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a client says of itself, and the address that it comes from."""

    user_agent: str | None
    ip_address: str | None

    @property
    def digest(self) -> bytes:
        """The same after an update of the client, and with the next address of the same provider."""
        client = re.sub(r"[0-9.]+", "", self.user_agent or "")
        return hashlib.sha256(f"{client}\0{_network(self.ip_address)}".encode()).digest()


def remember_device(session: Session, *, user_id: UUID, session_id: UUID, device: Device) -> None:
    """Tell the user of a login from where they never came; the first of all is none to tell of."""
    now = clock.now()
    is_it = (KnownDevice.user_id == user_id, KnownDevice.device_hash == device.digest)
    if session.scalar(update(KnownDevice).where(*is_it).values(seen_at=now).returning(KnownDevice.user_id)):
        return
    is_first = _is_first_login(session, user_id, now)
    row = {"user_id": user_id, "device_hash": device.digest, "seen_at": now}
    is_new = session.scalar(
        insert_into(session, KnownDevice)
        .values(row)
        .on_conflict_do_nothing()
        .returning(KnownDevice.device_hash)
    )
    if is_new is not None and not is_first:
        data = {
            "session_id": str(session_id),
            "user_agent": device.user_agent,
            "ip_address": device.ip_address,
        }
        notify(session, [NewNotification(user_id, "security.new_login", data)])


def _is_first_login(session: Session, user_id: UUID, now: datetime) -> bool:
    """Nothing is known of a login before, and nothing can have been forgotten."""
    known = (
        exists().where(KnownDevice.user_id == user_id),
        exists().where(LoginSession.user_id == user_id),
        exists().where(User.id == user_id, User.created_at < now - REMEMBERED),
    )
    return not session.scalar(select(or_(*known)))


def forget_devices(session: Session) -> int:
    """Delete some of those that were not seen for long; answers how many."""
    return delete_some(session, DEVICES, DEVICES.c.seen_at < clock.now() - REMEMBERED)


def _network(address: str | None) -> str:
    if address is None:
        return ""
    bits = NETWORK_BITS[ipaddress.ip_address(address).version]
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))
