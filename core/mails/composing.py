"""The mail that a message on a mail channel becomes, with what is true when it is sent."""

from dataclasses import dataclass
from uuid import UUID

from core.charts.renderer import ChartError, ChartRenderer
from core.database import Reader
from core.errors import NotFound, Overloaded
from core.logging import get_logger
from core.mail_messages import Mail
from core.mails.digest import digest_letter, digest_picture
from core.mails.notifications import Told, notifications_letter, told_at
from core.queries.digest_documents import DigestFigures
from core.queries.digests import load_digest
from core.queries.letters import Letter, Links
from core.queries.users import MailRecipient, find_mail_recipient
from core.rules.messages import Message, Part
from core.rules.notification_kinds import concerns_security, subject_of
from core.rules.notification_texts import short_text
from core.unsubscribing import Subscription, unsubscribe_url

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Content:
    """What a mail tells: notifications, and the newest digest among them with its figures."""

    recipient: MailRecipient
    others: tuple[Part, ...]
    digest: DigestFigures | None


def load_content(reader: Reader, message: Message) -> Content | None:
    """None if there is no verified address to send to any more."""
    user_id = message.receiver.user_id
    recipient = find_mail_recipient(reader, user_id=user_id)
    if recipient is None:
        return None
    found = _newest_digest(reader, user_id, message.parts)
    if found is None:
        return Content(recipient, message.parts, None)
    digest_part, figures = found
    return Content(recipient, tuple(part for part in message.parts if part is not digest_part), figures)


def write_mail(content: Content, message: Message, *, links: Links, renderer: ChartRenderer) -> Mail:
    """The digest makes the page, and the other notifications stand above it.

    The mail's link ends all of their kinds, but for those that nobody should miss: somebody else may have it.
    """
    kinds = frozenset(part.kind for part in message.parts if not concerns_security(part.kind))
    subscription = Subscription(message.receiver.user_id, kinds)
    url = unsubscribe_url(links.secret, links.public_url, subscription) if kinds else ""
    subjects = "; ".join(subject_of(kind) for kind in sorted(kinds))
    to, timezone = content.recipient.email, content.recipient.timezone
    told = [
        Told(*short_text(part.kind, part.data), told_at(part.created_at, timezone)) for part in content.others
    ]
    if content.digest is None:
        letter = notifications_letter(
            told, to=to, public_url=links.public_url, unsubscribe_url=url, subjects=subjects
        )
    else:
        letter = digest_letter(
            content.digest,
            to=to,
            told=told,
            png=_drawn(content.digest, renderer),
            public_url=links.public_url,
            unsubscribe_url=url,
            subjects=subjects,
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
        log.warning("digest.chart_not_drawn", error=error)
        return None
