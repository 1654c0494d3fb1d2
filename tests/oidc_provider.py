"""An OpenID provider of the tests' own, strict as a real one, and crooked where a test says so."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from core import clock

CLIENT_ID, CLIENT_SECRET = "outlay", "the provider's secret"


@dataclass
class OidcProvider:
    """Whoever asks for a code gets one for the user of `claims`, as if they had logged in.

    `claims` override those of the ID token, None drops one. `sign` makes the token of header and claims.
    """

    claims: dict[str, Any] = field(default_factory=dict)
    sign: Callable[["OidcProvider", dict[str, Any]], str] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    is_away: bool = False
    redirect_to: str = ""
    """Where it sends whoever comes with a code."""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    exchanged: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(*provider.answer(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self._send(*provider.exchange(form, self.headers.get("Authorization", "")))

            def _send(self, status: int, body: Any) -> None:
                raw = json.dumps(body).encode()
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", provider.redirect_to)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_arguments: Any) -> None:
                """The tests tell what matters."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def log_in(self, authorization_url: str) -> dict[str, str]:
        """What the browser is sent back with."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(authorization_url).query).items()}
        code = f"code-{len(self.asked)}"
        self.asked[code] = query
        return {"code": code, "state": query["state"]}

    def answer(self, path: str) -> tuple[int, Any]:
        if self.is_away:
            return 503, {}
        if path == "/jwks":
            return 200, KeySet([self.key]).as_dict(private=False)
        return 200, {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            **self.metadata,
        }

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        """By RFC 6749, section 4.1.3, and RFC 7636, section 4.6."""
        if self.redirect_to:
            return 307, {}
        self.exchanged.append(form)
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        asked = self.asked.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if authorization != f"Basic {basic}":
            return 401, {"error": "invalid_client"}
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        if asked["code_challenge_method"] != "S256" or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": self._id_token(asked["nonce"])}

    def _id_token(self, nonce: str) -> str:
        now = int(clock.now().timestamp())
        standard = {
            "iss": self.issuer, "aud": CLIENT_ID, "sub": "somebody", "iat": now, "exp": now + 300,
            "nonce": nonce, "email": "somebody@example.org", "email_verified": True,
        }  # fmt: skip
        claims = {name: value for name, value in (standard | self.claims).items() if value is not None}
        return (self.sign or signed)(self, claims)


def signed(provider: OidcProvider, claims: dict[str, Any], key: RSAKey | None = None) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key or provider.key)


def unsigned(_provider: OidcProvider, claims: dict[str, Any]) -> str:
    return f"{_encoded({'alg': 'none'}, claims)}."


def signed_with_the_public_key(provider: OidcProvider, claims: dict[str, Any]) -> str:
    """As if it were a secret: the attack by a confused algorithm. No library would make such a token."""
    told = _encoded({"alg": "HS256", "kid": "one"}, claims)
    mac = hmac.digest(provider.key.as_pem(private=False), told.encode(), "sha256")
    return f"{told}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _encoded(*parts: dict[str, Any]) -> str:
    raw = (json.dumps(part).encode() for part in parts)
    return ".".join(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in raw)


def signed_with_another_key(provider: OidcProvider, claims: dict[str, Any]) -> str:
    return signed(provider, claims, RSAKey.generate_key(2048, {"kid": "one"}))
