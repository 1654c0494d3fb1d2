"""Webhooks by the Standard Webhooks specification (github.com/standard-webhooks/standard-webhooks, 1.0.0)."""

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from typing import Any, Self
from uuid import UUID

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook

from core import clock
from core.outgoing.targets import AddressRefused, Policy, TargetRefused, checked_addresses, read_target
from core.rules.deliveries import Fate, Outcome
from core.rules.secret_issues import SecretHolder, signing_issues
from core.security import derive_key, fingerprint

CONNECT_TIMEOUT_S = 5.0
TIMEOUT_S = 10.0
"""For the whole request. A receiver that has more to do answers first and does it afterwards; the
specification recommends 15 to 30 s, but here each second more is one in which others wait."""

MAX_ANSWER_BYTES = 4_096
"""Read of an answer, so that its connection can be used again; what is longer costs it the connection."""

NAME_LIFETIME_S = 10
"""How long a looked-up address serves: a busy receiver's is not asked for a thousand times a second."""

KEEPALIVE_S = 15.0

USER_AGENT = "Outlay-Webhooks/1"

LOOKUPS_AT_ONCE = 64
LOOKUP_TIMEOUT_S = 4.0
"""A name that is not found by then counts as leading nowhere, though its thread may wait for longer."""

GONE = 410

SECRET_PREFIX = "whsec_"  # noqa: S105 - begins every secret


# Not derived for each message: OpenSSL lets go of Python's lock for it, and to get it back takes longer.
@lru_cache(maxsize=4_096)
def webhook_secret(secret: str, *, user_id: UUID, channel_id: UUID, issue: int) -> str:
    """A webhook's secret, derived from the installation's: it is never stored."""
    parts = (user_id.bytes, channel_id.bytes, str(issue).encode())
    return SECRET_PREFIX + b64encode(fingerprint(derive_key(secret, "webhooks"), *parts)).decode()


def signing_secrets(secret: str, webhook: SecretHolder, now: datetime) -> list[str]:
    """With which each message to a webhook is signed, the newest first."""
    return [
        webhook_secret(secret, user_id=webhook.user_id, channel_id=webhook.id, issue=issue)
        for issue in signing_issues(webhook, now)
    ]


def webhook_body(*, kind: str, created_at: datetime, seq: int | None, data: dict[str, Any]) -> bytes:
    """What is sent, the same bytes at each try."""
    instant = created_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    numbered = data if seq is None else {"seq": seq, **data}
    return msgspec.json.encode({"type": kind, "timestamp": instant, "data": numbered})


@lru_cache(maxsize=4_096)
def _signer(secret: str) -> Webhook:
    return Webhook(secret)


def signed_headers(message_id: str, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of a try that is made now; the newest secret comes first."""
    now, text = clock.now(), body.decode()
    signatures = (_signer(secret).sign(message_id, now, text) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
    }


class WebhookSender:
    """Posts webhooks from one event loop. Open it within the loop."""

    def __init__(self, policy: Policy, resolver: AbstractResolver | None = None) -> None:
        self._policy = policy
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._names = _CheckedResolver(self._policy, self._resolver or _Names())
        connector = aiohttp.TCPConnector(
            limit=0,  # the courier counts them
            resolver=self._names,
            ttl_dns_cache=NAME_LIFETIME_S,
            keepalive_timeout=KEEPALIVE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
            auto_decompress=False,  # a small answer may unpack to a large one
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_exception: object) -> None:
        if self._session is not None:
            await self._session.close()
            await self._names.close()  # a connector leaves open what it is given

    async def post(self, url: str, *, message_id: str, body: bytes, secrets: Sequence[str]) -> Outcome:
        """Send once; never raises for what the other end does."""
        if self._session is None:
            raise RuntimeError("the sender is not open")
        try:
            target = read_target(url, self._policy)
        except TargetRefused as error:
            return Outcome(Fate.FAILED, error=error.detail)
        headers = signed_headers(message_id, body, secrets)
        try:
            async with self._session.post(
                target.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                await self._take(answer)
                return _outcome(answer)
        except TimeoutError:
            return Outcome(Fate.FAILED, error=f"no answer within {TIMEOUT_S:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(Fate.FAILED, error=_reason(error))

    async def _take(self, answer: aiohttp.ClientResponse) -> None:
        """Read a short body; the status is what counts, and is there already."""
        try:
            size = 0
            while chunk := await answer.content.read(MAX_ANSWER_BYTES):
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    answer.close()
                    return
        except (aiohttp.ClientError, OSError):
            answer.close()


class _Names(AbstractResolver):
    """Looks names up in threads of its own.

    The event loop has a few for all, and a name whose server is silent keeps one for long.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        look_up = partial(
            socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        lookup = asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        found = await asyncio.wait_for(lookup, LOOKUP_TIMEOUT_S)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=its_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for its_family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _CheckedResolver(AbstractResolver):
    """Answers only addresses that may be connected to; aiohttp connects to what is answered here."""

    def __init__(self, policy: Policy, resolver: AbstractResolver) -> None:
        self._policy = policy
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = checked_addresses(
            ((0, 0, 0, "", (one["host"], one["port"]), one) for one in found), self._policy
        )
        return [one[5] for one in allowed]

    async def close(self) -> None:
        await self._resolver.close()


def _outcome(answer: aiohttp.ClientResponse) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Outcome(Fate.SENT, status)
    if status == GONE:
        return Outcome(Fate.GONE, status, "the receiver has answered 410 (gone)")
    error = f"the receiver has answered {status}"
    if 300 <= status < 400:
        error += "; redirects are not followed"
    return Outcome(Fate.FAILED, status, error, _retry_after(answer.headers.get("Retry-After")))


def _retry_after(header: str | None) -> timedelta | None:
    """Seconds or a date (RFC 9110, section 10.2.3); None for anything else."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return timedelta(seconds=int(text))
    try:
        return max(parsedate_to_datetime(text).astimezone(UTC) - clock.now(), timedelta())
    except (ValueError, OverflowError):
        return None


def _reason(error: BaseException) -> str:
    """Why a request came to nothing, without the URL, which may hold a secret."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return cause.detail
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name leads nowhere"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "no secure connection: the certificate is not valid for the host, or there is no TLS"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {error.os_error.strerror or 'refused'}"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return "the connection ended without an answer"
    return f"no valid answer ({type(error).__name__})"


async def post_once(
    policy: Policy, url: str, *, message_id: str, body: bytes, secrets: Sequence[str]
) -> Outcome:
    """As `WebhookSender.post`, for a single one."""
    async with WebhookSender(policy) as sender:
        return await asyncio.wait_for(
            sender.post(url, message_id=message_id, body=body, secrets=secrets), TIMEOUT_S + CONNECT_TIMEOUT_S
        )
