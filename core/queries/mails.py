"""The mails there are, by the name of their template, and how a row of the outbox becomes one."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from core.mail_messages import Mail
from core.queries.account_letters import (
    email_change_letter,
    email_changed_letter,
    reset_letter,
    verification_letter,
)
from core.queries.invitation_letters import invitation_letter
from core.queries.letters import Letter, Links

VERIFY_EMAIL = "verify_email"
RESET_PASSWORD = "reset_password"  # noqa: S105 - the name of a mail
CONFIRM_EMAIL_CHANGE = "confirm_email_change"
EMAIL_CHANGED = "email_changed"
INVITATION = "invitation"

Template = Callable[..., Letter | None]
"""`(session, payload, *, links) -> Letter | None`: reads what the ids in the payload lead to when the mail is
sent. None when there is no more reason to send it."""

TEMPLATES: Mapping[str, Template] = {
    VERIFY_EMAIL: verification_letter,
    RESET_PASSWORD: reset_letter,
    CONFIRM_EMAIL_CHANGE: email_change_letter,
    EMAIL_CHANGED: email_changed_letter,
    INVITATION: invitation_letter,
}
"""A mail more is a name and a line here, a function in `core/queries/<noun>_letters.py`, and `stage_mail`."""


def compose_mail(session: Session, payload: Mapping[str, Any], *, links: Links) -> Mail | None:
    """The mail that a row of the job `send_mail` asks for, or None when it has become moot."""
    letter = TEMPLATES[payload["template"]](session, payload, links=links)
    return None if letter is None else Mail(letter.to, letter.subject, letter.text, payload["mail_id"])
