"""Telling users of what changes the ways into their accounts, and out of them."""

from uuid import UUID

from sqlalchemy.orm import Session

from core.services.notifications import NewNotification, notify


def tell_of_change(session: Session, *, user_id: UUID, change: str, **data: str) -> None:
    """Tell the user that what guards the account has changed: everybody should know of that at once.

    `change` is one of `ACCOUNT_CHANGES` in core/rules/notification_texts.py.
    """
    notify(session, [NewNotification(user_id, "security.account_changed", {"change": change, **data})])
