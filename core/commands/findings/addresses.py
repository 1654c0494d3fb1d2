"""Where the system says that it is, where it listens, and where its mails go."""

import socket
from urllib.parse import urlsplit

from core.commands.findings.finding import Finding, ok, problem, warning
from core.commands.healthcheck import is_healthy
from core.commands.ports import reachable, require_free
from core.config import Settings
from core.errors import ConfigurationError
from core.mailer import SmtpMailer, new_mailer

TIMEOUT_S = 5.0
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


def public_url(settings: Settings) -> Finding:
    about, parts = "OUTLAY_PUBLIC_URL", urlsplit(settings.public_url)
    shown = f"{parts.scheme}://{parts.hostname}"
    if not settings.is_production:
        return ok(about, shown)
    if parts.hostname in LOOPBACK_NAMES:
        return warning(
            about, f"{shown}: links in mails lead nowhere", "set it to where others reach the API, https://…"
        )
    if parts.scheme != "https":
        return problem(
            about,
            f"{shown}: passwords and tokens travel in the clear",
            "put a proxy with TLS before it: https://…",
        )
    return ok(about, shown)


def allowed_origins(settings: Settings) -> Finding:
    about, origins = "OUTLAY_WS_ALLOWED_ORIGINS", settings.allowed_origins
    if any("*" in origin for origin in origins):
        return problem(
            about, "* is no origin, and lets in no web page", "name each, such as https://outlay.example"
        )
    wrong = [one for one in origins if urlsplit(one).path or urlsplit(one).scheme not in ("http", "https")]
    if wrong:
        return problem(
            about, f"{wrong[0]} is no origin", "a scheme, a host, perhaps a port and nothing behind it"
        )
    if settings.is_production and all(urlsplit(one).hostname in LOOPBACK_NAMES for one in origins):
        return warning(
            about, "web pages of this machine only", "name the origin of your web application, if any"
        )
    return ok(about, ", ".join(origins) or "no web page may open a WebSocket")


def api_port(settings: Settings) -> Finding:
    return _port("OUTLAY_API", settings.api_host, settings.api_port)


def gateway_port(settings: Settings) -> Finding:
    return _port("OUTLAY_WS", settings.ws_host, settings.ws_port)


def _port(prefix: str, host: str, port: int) -> Finding:
    about, address = f"{prefix}_PORT", reachable(host, port)
    if is_healthy(f"http://{address}/healthz"):
        return ok(about, f"Outlay answers at {address}")
    try:
        require_free({prefix: (host, port)})
    except ConfigurationError as error:
        return problem(about, error.detail, f"see who listens there, or set {about} to another")
    return ok(about, f"{address} is free; nothing runs there")


def mail(settings: Settings) -> Finding:
    """Whether somebody answers there; no mail is sent, and no password."""
    about, mailer = "OUTLAY_MAIL_URL", new_mailer(settings.mail, settings.mail_from)
    if not isinstance(mailer, SmtpMailer):
        if settings.is_production:
            return warning(about, "mails are written into a folder", "name your mail server: smtp://…")
        return ok(about, "mails are written into a folder")
    address = f"{mailer.host}:{mailer.port}"
    try:
        socket.create_connection((mailer.host, mailer.port), TIMEOUT_S).close()
    except OSError as error:
        return problem(
            about, f"nobody answers at {address}: {error.strerror or error}", "mails wait until somebody does"
        )
    if mailer.password and mailer.security == "offered":
        return warning(about, f"{address}: the password may go in the clear", "leave ?tls=offered away")
    return ok(about, f"{address} answers")
