"""Who a client is: its access token or ticket, from the handshake's header or from its first message."""

import asyncio
import re
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request

from core.errors import Unauthenticated
from core.security import ACCESS, TICKET, TokenClaims, Tokens
from ws_gateway.close_codes import BAD_CREDENTIALS, NO_CREDENTIALS, Refused

FIRST_MESSAGE_TIMEOUT_S = 5.0
"""Promised in the protocol; long enough for a slow phone, short enough that strangers hold no sockets."""

MAX_SEQ = 2**63 - 1
"""The column's type; nothing above it is a number of ours."""

Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]
Token = Annotated[str, Meta(min_length=1)]


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first message. An unknown field is refused, so that a mistyped `since` loses nothing unnoticed."""

    type: Literal["auth"]
    token: Token
    since: Seq | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token names. Whether the session is live is for the database to say."""

    claims: TokenClaims
    is_ticket: bool


async def receive_hello(socket: ServerConnection) -> Hello:
    """What the client says of itself: in the handshake, else in its first message.

    Raises:
        Refused: it says nothing in time, or not in the way it should.
    """
    hello = hello_of_request(socket.request) if socket.request else None
    if hello is not None:
        return hello
    try:
        async with asyncio.timeout(FIRST_MESSAGE_TIMEOUT_S):
            message = await socket.recv()
    except TimeoutError:
        raise Refused(NO_CREDENTIALS, "no credentials in time") from None
    if isinstance(message, bytes):
        raise Refused(BAD_CREDENTIALS, "expected a text message")
    try:
        return msgspec.json.decode(message, type=Hello)
    except msgspec.DecodeError:
        raise Refused(BAD_CREDENTIALS, "malformed auth message") from None


def hello_of_request(request: Request) -> Hello | None:
    """The bearer token of the handshake, with `?since=` of its address; None when it has none.

    Another scheme is a reverse proxy's own affair: such a client has its first message still to send.

    Raises:
        Refused: there is a token, but it comes in a way that leaves doubts.
    """
    headers = [value.partition(" ") for value in request.headers.get_all("Authorization")]
    tokens = [rest.strip() for scheme, _, rest in headers if scheme.lower() == "bearer"]
    if not tokens:
        return None
    if len(tokens) > 1 or not tokens[0]:
        raise Refused(BAD_CREDENTIALS, "malformed Authorization header")
    return Hello(type="auth", token=tokens[0], since=_since_of(request.path))


def _since_of(path: str) -> int | None:
    values = parse_qs(urlsplit(path).query, keep_blank_values=True).get("since")
    if values is None:
        return None
    if len(values) > 1 or not re.fullmatch("[0-9]{1,19}", values[0]) or int(values[0]) > MAX_SEQ:
        raise Refused(BAD_CREDENTIALS, "malformed since")
    return int(values[0])


def identify(tokens: Tokens, token: str) -> Identity:
    """Whom the token names.

    Raises:
        Refused: it is not a token of ours, of another kind, or has expired.
    """
    try:
        return Identity(tokens.read(token, ACCESS), is_ticket=False)
    except Unauthenticated:
        pass  # it may be a ticket still
    try:
        return Identity(tokens.read(token, TICKET), is_ticket=True)
    except Unauthenticated as error:
        raise Refused(BAD_CREDENTIALS, error.detail) from error
