"""What every answer tells browsers: to trust it with nothing, and who may read it."""

from collections.abc import Collection
from typing import Any

import falcon
from falcon.asgi import Request, Response

from core.config import Settings

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Answers are data; should a browser take one for a page, that page may do nothing (OWASP REST security)."""

HSTS = "max-age=31536000"
"""A year. Not for subdomains: what else the operator has there is not ours to say."""

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Referrer-Policy": "no-referrer",  # tokens stand in some addresses
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Of every answer, also those that uvicorn gives by itself."""

EXPOSED = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-ID, WWW-Authenticate"
"""What scripts may read beside the few headers that they always may."""

ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Range, X-Request-ID"

PREFLIGHT_S = "7200"
"""The longest that Chromium remembers a preflight."""


def fixed_headers(settings: Settings) -> dict[str, str]:
    is_secure = settings.public_url.startswith("https://")
    return {**FIXED, **({"Strict-Transport-Security": HSTS} if is_secure else {})}


class BrowserHeaders:
    """Falcon middleware. A resource may set its own `Cache-Control` and `Content-Security-Policy`."""

    def __init__(self, cors_origins: Collection[str]) -> None:
        self._origins = frozenset(cors_origins)

    async def process_response(self, req: Request, resp: Response, _resource: Any, _succeeded: bool) -> None:
        if resp.get_header("Cache-Control") is None:
            # Answers are somebody's money matters: no cache on the way may keep them, nor the browser's disk.
            resp.set_header("Cache-Control", "no-store")
        if resp.get_header("Content-Security-Policy") is None:
            resp.set_header("Content-Security-Policy", API_POLICY)
        if self._origins:
            self._tell_who_may_read(req, resp)

    def _tell_who_may_read(self, req: Request, resp: Response) -> None:
        """The Fetch standard's CORS protocol. Never with credentials: ours is a header, not a cookie."""
        resp.append_header("Vary", "Origin")
        origin = req.get_header("Origin")
        if origin not in self._origins:
            return
        resp.set_header("Access-Control-Allow-Origin", origin)
        if req.method == "OPTIONS" and req.get_header("Access-Control-Request-Method"):
            allowed = resp.get_header("Allow")
            if allowed is not None:
                resp.set_header("Access-Control-Allow-Methods", allowed)
                resp.set_header("Access-Control-Allow-Headers", ALLOWED_HEADERS)
                resp.set_header("Access-Control-Max-Age", PREFLIGHT_S)
                resp.status = falcon.HTTP_204
        else:
            resp.set_header("Access-Control-Expose-Headers", EXPOSED)
