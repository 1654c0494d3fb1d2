"""Messages to push and chat services, through apprise.

Their URLs are credentials: they are in no log, no error and no answer.
"""

import logging
import re
import threading
from bisect import bisect
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

from core.outgoing.targets import MAX_URL, Policy, TargetRefused, check_host, check_port
from core.rules.deliveries import Fate, Outcome

TIMEOUT_S = 12.0
"""For all that a service is asked for one message: some want a login or a room's number first."""

PARAMETERS = frozenset({
    "auth", "channel", "format", "mode", "msgtype", "preview", "priority", "silent", "sound", "tags",
    "thread", "token", "topic", "v", "version",
})  # fmt: skip
"""What may stand behind the `?` of a URL. Others have apprise read files of this machine (`template`), wait,
try again, follow redirects or trust any certificate."""

MAX_BYTES = 4_000
"""Of a message's text. ntfy takes 4,096, and of a longer one makes a file, or refuses it; others say in
`body_maxlen` how little they take."""

SPARE = 32
"""Characters for what stands between a title and a text where a service has both in one: a line's end, and
marks that make it bold or a heading."""

FOR_GOOD = frozenset({410})
FOR_GOOD_OF_PUBLIC_SERVICES = frozenset({401, 404, 410})
"""Answers that say that a token is unknown or withdrawn. On somebody's own server they may as well come from
whatever stands in front of it while it starts."""


@dataclass(frozen=True, slots=True)
class PushService:
    """What a URL leads to. `host` is for telling services apart: without any secret."""

    scheme: str
    host: str
    is_public: bool


@cache
def _apprise() -> Any:
    """Its import takes a second and tens of megabytes, and most processes never need it."""
    import apprise

    # It logs what it sends, and urllib3 the paths, which hold tokens. What fails, the outcome says.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)
    return apprise


def scheme_of(url: str) -> str:
    return url.partition("://")[0].lower()


def read_push_url(url: str, *, schemes: Collection[str], policy: Policy) -> PushService:
    """What the URL leads to.

    Raises:
        TargetRefused: the operator does not allow the service, or the URL is not one of it.
    """
    return _read(url, schemes, policy)[1]


def send_push(
    url: str, *, title: str, body: str, schemes: Collection[str], policy: Policy, timeout_s: float = TIMEOUT_S
) -> Outcome:
    """Send once, in this thread; never raises for what the other end does."""
    from core.outgoing.guard import Exchange, exchanging

    try:
        plugin, service = _read(url, schemes, policy)
    except TargetRefused as error:
        return Outcome(Fate.FAILED, error=error.detail)
    apprise = _apprise()
    title, body = fitted(plugin, title if body else "", body or title)
    sender = apprise.Apprise(asset=plugin.asset)
    sender.add(plugin)
    exchange = Exchange(policy)
    deadline = threading.Timer(timeout_s, exchange.end)
    deadline.daemon = True
    deadline.start()
    try:
        with exchanging(exchange):
            # Without a time limit of apprise's: for that it would use threads that all pushes share.
            is_sent = bool(sender.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT))
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and its text may hold the URL
        return Outcome(Fate.FAILED, error=f"the service's client failed ({type(error).__name__})")
    finally:
        deadline.cancel()
    return _outcome(is_sent, service, exchange.statuses, exchange.refusal)


def fitted(plugin: Any, title: str, body: str) -> tuple[str, str]:
    """Title and body, cut to what the service takes, at a line's end if one line is not too much already.

    apprise would cut in the middle of a line, and of a letter that is written as several.
    """
    # Where a title goes in front of the text, half of the place is the text's.
    title = title[: plugin.title_maxlen if plugin.title_maxlen > 0 else plugin.body_maxlen // 2]
    if _fits(plugin, title, body):
        return title, body
    lines = body.split("\n")

    def text(kept: int) -> str:
        return "\n".join([*lines[:kept], f"… and {len(lines) - kept} more"])

    kept = bisect(range(1, len(lines)), 0, key=lambda kept: not _fits(plugin, title, text(kept)))
    if kept:
        return title, text(kept)
    cut = lines[0]
    while len(cut) > 1 and not _fits(plugin, title, cut):
        cut = f"{cut[: len(cut) * 9 // 10 - 1]}…"
    return title, cut


def _fits(plugin: Any, title: str, body: str) -> bool:
    """Whether the service takes so much, once apprise has written it in the service's own format."""
    apprise = _apprise()
    plain = apprise.NotifyFormat.TEXT
    written = apprise.conversion.convert_between(plain, plugin.resolve_format(plain), body)
    if plugin.title_maxlen <= 0 or plugin.overflow_amalgamate_title:
        in_front = apprise.conversion.convert_between(plain, plugin.resolve_format(plain), title)
        written = in_front + " " * SPARE + written
    return len(written) <= plugin.body_maxlen and len(written.encode()) <= MAX_BYTES


def _outcome(is_sent: bool, service: PushService, statuses: list[int], refusal: str | None) -> Outcome:
    status = statuses[-1] if statuses else None
    if is_sent:
        return Outcome(Fate.SENT, status)
    if status is None:
        return Outcome(Fate.FAILED, error=refusal or "the service could not be reached in time")
    error = f"the service has answered {status}"
    gone = FOR_GOOD_OF_PUBLIC_SERVICES if service.is_public else FOR_GOOD
    return Outcome(Fate.GONE if status in gone else Fate.FAILED, status, error)


def _read(url: str, schemes: Collection[str], policy: Policy) -> tuple[Any, PushService]:
    scheme = scheme_of(url)
    if len(url) > MAX_URL or not url.isprintable() or "://" not in url:
        raise TargetRefused(f"no URL of up to {MAX_URL} printable characters")
    if scheme not in schemes:
        raise TargetRefused(f"not one of the services that are allowed here: {', '.join(sorted(schemes))}")
    _check_parameters(url)
    plugin = _plugin(url)
    if plugin is None:
        raise TargetRefused(f"not a complete URL of {scheme}://; see github.com/caronc/apprise/wiki")
    if len(plugin) > 1:
        raise TargetRefused("has several recipients; give each a channel of its own")
    # Hosts that are only a part of the credentials are no hosts.
    host = (getattr(plugin, "host", None) or "").lower() if "host" in plugin.template_tokens else ""
    if host:
        check_host(host, policy)
    if plugin.port:
        check_port(plugin.port)
    return plugin, PushService(scheme, host or scheme, is_public=not host)


def _check_parameters(url: str) -> None:
    """As apprise reads them: behind the first `?`, wherever a `#` stands, and with `;` as good as `&`."""
    pieces = re.split("[&;]", url.partition("?")[2])
    names = {unquote_plus(piece.partition("=")[0]).strip().lower() for piece in pieces}
    if wrong := names - PARAMETERS - {""}:
        shown = ", ".join(sorted(name[:20] for name in wrong)[:5])
        raise TargetRefused(f"has parameters that are not possible here: {shown}")


def _plugin(url: str) -> Any:
    apprise = _apprise()
    asset = apprise.AppriseAsset(
        async_mode=False,
        secure_logging=True,
        http_redirects=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    try:
        return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    except Exception:  # noqa: BLE001 - whatever a plugin raises for what it cannot read
        return None
