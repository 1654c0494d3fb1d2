"""The mail that a message on a mail channel becomes."""

from sqlalchemy import select

from core.database import Reader
from core.mailer import Mail
from core.models import User, table_of
from core.rules.messages import Message
from core.rules.notification_texts import message_text

USERS = table_of(User)


def compose_mail(reader: Reader, message: Message) -> Mail | None:
    """The mail, with the message's id; None if there is no verified address to send it to any more."""
    user = select(USERS.c.email).where(
        USERS.c.id == message.receiver.user_id, USERS.c.email_verified_at.is_not(None), USERS.c.is_active
    )
    address = reader.execute(user).scalar()
    if address is None:
        return None
    title, body = message_text([(part.kind, part.data) for part in message.parts])
    return Mail(address, title, f"{body or title}\n", str(message.id))
