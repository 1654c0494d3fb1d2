from collections.abc import Callable, Set

import falcon
from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.audit import origin_of
from api.collaborators import Collaborators
from api.headers import send_page_headers
from api.openapi import Media, endpoint
from api.throttles import MAILED_TOKEN
from core.mails.pages import render_page
from core.rules.notification_kinds import subject_of
from core.services.audit import Origin
from core.services.notification_settings import switch_off
from core.unsubscribing import Subscription, read_unsubscribe_token

TAG = "Notifications"

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
"""The page has no script, and its one button leads back to it."""

PAGE = Media("text/html", "<!DOCTYPE html>…")


class Unsubscribing:
    """The links in mails; whoever has one needs no login."""

    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._secret = collaborators.settings.secret

    @endpoint(TAG, answers={200: PAGE}, is_public=True)
    async def on_get(self, _req: Request, resp: Response, token: str) -> None:
        """Show a page that asks whether to end a kind of mail.

        It changes nothing: programs that look for viruses follow links.
        """
        kinds = read_unsubscribe_token(self._secret, token).kinds
        text = f"You will get no more mails about {_subjects(kinds)}. They stay in your inbox at Outlay."
        _send_page(resp, "Unsubscribe", text, has_button=True)

    @endpoint(
        TAG, answers={200: PAGE}, is_public=True, conflicts=False, is_idempotent=False, throttle=MAILED_TOKEN
    )
    async def on_post(self, req: Request, resp: Response, token: str) -> None:
        """End a kind of mail at once, as a client for mails asks for with one click (RFC 8058)."""
        subscription = read_unsubscribe_token(self._secret, token)
        await self._transactions.write_all(_switching_off(subscription, origin_of(req)))
        text = (
            f"You get no more mails about {_subjects(subscription.kinds)}. "
            "Your notification settings bring them back."
        )
        _send_page(resp, "Done", text, has_button=False)


def _switching_off(subscription: Subscription, origin: Origin) -> Callable[[Session], None]:
    return lambda session: switch_off(
        session, user_id=subscription.user_id, kinds=subscription.kinds, origin=origin
    )


def _subjects(kinds: Set[str]) -> str:
    return ", ".join(subject_of(kind) for kind in sorted(kinds))


def _send_page(resp: Response, title: str, text: str, *, has_button: bool) -> None:
    resp.content_type = falcon.MEDIA_HTML
    send_page_headers(resp, POLICY)
    resp.text = render_page("unsubscribe", title=title, text=text, has_button=has_button)
