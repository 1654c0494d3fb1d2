"""Notifications as a mail: one, or all that were due at the same time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from core.charts.dates import short_day
from core.mails.pages import render_page, render_text
from core.queries.letters import Letter


@dataclass(frozen=True, slots=True)
class Told:
    """What a notification says, and when it was written on the user's clock."""

    title: str
    body: str
    at: str


def told_at(instant: datetime, timezone: str) -> str:
    local = instant.astimezone(ZoneInfo(timezone))
    return f"{short_day(local.date())} {local.year}, {local:%H:%M}"


def notifications_letter(
    told: Sequence[Told], *, to: str, public_url: str, unsubscribe_url: str, subjects: str
) -> Letter:
    """The mail of one or more notifications, in their order; `subjects` is what the link is about."""
    subject = told[0].title if len(told) == 1 else f"{len(told)} notifications"
    values = {
        "subject": subject,
        "preheader": told[0].body or subject if len(told) == 1 else told[0].title,
        "told": told,
        "public_url": public_url,
        "unsubscribe_url": unsubscribe_url,
        "subjects": subjects,
    }
    return Letter(
        to,
        subject,
        render_text("notifications", **values),
        html=render_page("notifications", **values),
        unsubscribe_url=unsubscribe_url,
    )
