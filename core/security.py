"""Passwords (bcrypt), access tokens and tickets (JWT by RFC 8725), tokens in mails, fingerprints."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import bcrypt
import jwt

from core import clock
from core.errors import Unauthenticated

ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
TICKET_LIFETIME = timedelta(seconds=30)
"""A ticket is asked for right before the WebSocket is opened with it."""

ALGORITHM = "HS256"
ISSUER = "outlay"
ACCESS = "at+jwt"
"""The `typ` of an access token (RFC 9068); no other token of ours passes for one."""
TICKET = "ticket+jwt"

CLAIMS = ["exp", "iat", "iss", "aud", "sub", "sid", "jti"]
"""What each token says; one that lacks any of them is none of ours."""

REFRESH_TOKEN_BYTES = 32

VERIFICATION_LIFETIME = timedelta(days=3)
"""Over a weekend."""

RESET_LIFETIME = timedelta(hours=1)
"""Time to fetch the mail, and little for whoever finds it later."""

NO_PASSWORD = "!"  # noqa: S105 - what no hash looks like
"""Instead of the hash of somebody who logs in by other means; no password fits."""

MIN_PASSWORD_BYTES = 10
MAX_PASSWORD_BYTES = 72
"""bcrypt reads no further; silently ignoring the rest would make two passwords the same."""


def hash_password(password: str, *, cost: int) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def is_password(password: str, password_hash: str) -> bool:
    """Whether the password belongs to the hash. One that bcrypt could not have hashed never does."""
    candidate = password.encode("utf-8", "surrogatepass")
    if len(candidate) > MAX_PASSWORD_BYTES or b"\0" in candidate:
        # As much work as for a real candidate, so that the time does not tell them apart.
        bcrypt.checkpw(b"", password_hash.encode())
        return False
    return bcrypt.checkpw(candidate, password_hash.encode())


def catch_up(password_hash: str, *, cost: int) -> None:
    """The work that a hash of a lower cost has spared who checked it: each step of the cost doubles the work.

    Without it the time would tell that there is such an account, once another cost is set.
    """
    for lower in range(int(password_hash[4:6]), cost):
        bcrypt.checkpw(b"", f"{password_hash[:4]}{lower:02d}{password_hash[6:]}".encode())


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a token of ours says: whose it is, of which session, until when; `id` tells tickets apart."""

    user_id: UUID
    session_id: UUID
    expires_at: int
    id: str


class Tokens:
    """Makes and reads the signed tokens; the keys are derived from the one secret, one a purpose."""

    def __init__(self, secret: str) -> None:
        self._key = derive_key(secret, "tokens")

    def access_token(self, *, user_id: UUID, session_id: UUID, now: datetime) -> str:
        return self._encode(ACCESS, user_id, session_id, now, ACCESS_TOKEN_LIFETIME)

    def ticket(self, *, user_id: UUID, session_id: UUID, now: datetime) -> str:
        return self._encode(TICKET, user_id, session_id, now, TICKET_LIFETIME)

    def read(self, token: str, *types: str) -> TokenClaims:
        """The claims of a valid token of one of the types.

        Raises:
            Unauthenticated: malformed, expired, of another type, or not signed by us.
        """
        try:
            decoded = jwt.decode_complete(
                token,
                self._key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=list(types),
                # The library would ask the system's time, which is not always ours.
                options={"require": CLAIMS, "verify_exp": False, "verify_iat": False},
            )
            claims: dict[str, Any] = decoded["payload"]
            if not int(claims["iat"]) <= clock.now().timestamp() < int(claims["exp"]):
                raise Unauthenticated("the token has expired, or is not valid yet")
            if decoded["header"].get("typ") != claims["aud"]:
                raise Unauthenticated("the token is of another type")
            return TokenClaims(
                UUID(claims["sub"]), UUID(claims["sid"]), int(claims["exp"]), str(claims["jti"])
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise Unauthenticated("the token is not valid or has expired") from error

    def _encode(self, kind: str, user_id: UUID, session_id: UUID, now: datetime, lifetime: timedelta) -> str:
        claims = {
            "iss": ISSUER,
            "aud": kind,
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "jti": secrets.token_urlsafe(12),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"typ": kind})


def derive_key(secret: str, purpose: str) -> bytes:
    """A key of its own for each purpose, so that what is signed for one can't be used for another."""
    return hmac.digest(secret.encode(), f"outlay/{purpose}".encode(), "sha256")


def derive_token(secret: str, purpose: str, *parts: str) -> str:
    """A token of 256 bits that is never stored: it is the same whenever it is derived again.

    Like this a mail can be composed when it is sent, and again should that fail. What can be looked up by its
    `hash_token` needs something random among the parts only if it may be revoked and issued anew.
    """
    mac = fingerprint(derive_key(secret, f"token/{purpose}"), *(part.encode() for part in parts))
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def fingerprint(key: bytes, *parts: bytes) -> bytes:
    """Keyed digest of a request: tells whether two are the same without revealing either."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        mac.update(len(part).to_bytes(8, "big") + part)
    return mac.digest()


def hash_token(secret: bytes) -> bytes:
    """What is stored of a random token; it has 256 bits of entropy, so a plain digest is enough."""
    return hashlib.sha256(secret).digest()
