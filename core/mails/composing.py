"""The mail that a message on a mail channel becomes, with what is true when it is sent."""

import logging
from uuid import UUID

from core.charts.renderer import ChartError, ChartRenderer
from core.database import Reader
from core.errors import NotFound, Overloaded
from core.mailer import Mail
from core.mails.digest import digest_letter, digest_picture
from core.mails.notifications import Told, notifications_letter, told_at
from core.queries.digest_documents import DigestFigures
from core.queries.digests import load_digest
from core.queries.letters import Letter, Links
from core.queries.users import find_mail_recipient
from core.rules.messages import Message, Part
from core.rules.notification_texts import short_text
from core.unsubscribing import Subscription, unsubscribe_url

log = logging.getLogger(__name__)


def compose_mail(reader: Reader, message: Message, *, links: Links, renderer: ChartRenderer) -> Mail | None:
    """The mail; None if there is no verified address to send it to any more.

    The newest digest among the notifications makes the page, and the others stand above it. What is alike in
    all of them is what the mail's link ends.
    """
    user_id = message.receiver.user_id
    user = find_mail_recipient(reader, user_id=user_id)
    if user is None:
        return None
    digest = _newest_digest(reader, user_id, message.parts)
    main_kind = message.parts[-1].kind if digest is None else digest[0].kind
    url = unsubscribe_url(links.secret, links.public_url, Subscription(user_id, main_kind))
    told = [
        Told(*short_text(part.kind, part.data), told_at(part.created_at, user.timezone))
        for part in message.parts
        if digest is None or part is not digest[0]
    ]
    if digest is None:
        letter = notifications_letter(told, to=user.email, public_url=links.public_url, unsubscribe_url=url)
    else:
        letter = digest_letter(
            digest[1],
            to=user.email,
            told=told,
            png=_drawn(digest[1], renderer),
            public_url=links.public_url,
            unsubscribe_url=url,
        )
    return _mail(letter, message)


def _mail(letter: Letter, message: Message) -> Mail:
    return Mail(
        letter.to,
        letter.subject,
        letter.text,
        str(message.id),
        html=letter.html,
        images=letter.images,
        unsubscribe_url=letter.unsubscribe_url,
    )


def _newest_digest(
    reader: Reader, user_id: UUID, parts: tuple[Part, ...]
) -> tuple[Part, DigestFigures] | None:
    for part in reversed(parts):
        if "digest_id" in part.data:
            try:
                digest = load_digest(reader, user_id=user_id, digest_id=UUID(part.data["digest_id"]))
            except NotFound:
                continue  # it has been forgotten since; the notification says it in short
            if digest.figures is not None:
                return part, digest.figures
    return None


def _drawn(figures: DigestFigures, renderer: ChartRenderer) -> bytes | None:
    """A mail without its picture says all the same, and is better than none."""
    spec = digest_picture(figures)
    if spec is None:
        return None
    try:
        return renderer.render(spec, "png")
    except (ChartError, Overloaded) as error:
        log.warning("digest.chart_not_drawn error=%r", error)
        return None
