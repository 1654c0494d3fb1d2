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
    "Referrer-Policy": "no-referrer",  # tokens stand in some addresses
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer, also those that uvicorn gives by itself."""

OF_PAGES = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
}
"""Of what a browser shows."""

EXPOSED = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-ID, WWW-Authenticate"
"""What scripts may read beside the few headers that they always may."""

ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Range, X-Request-ID"

PREFLIGHT_S = "7200"
"""The longest that Chromium remembers a preflight."""


def fixed_headers(settings: Settings) -> dict[str, str]:
    is_secure = settings.public_url.startswith("https://")
    return {**FIXED, **({"Strict-Transport-Security": HSTS} if is_secure else {})}


class ApiResponse(Response):
    """An answer as it is unless a resource says otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Answers are somebody's money matters: no cache on the way may keep them, nor the browser's disk.
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", API_POLICY)


def send_page_headers(resp: Response, policy: str) -> None:
    """For HTML; `policy` is its Content-Security-Policy."""
    resp.set_header("Content-Security-Policy", policy)
    resp.set_headers(OF_PAGES)


class CrossOrigin:
    """Falcon middleware: the Fetch standard's CORS protocol, for web pages of these origins.

    Never with credentials: ours is a header, not a cookie.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    async def process_response(self, req: Request, resp: Response, _resource: Any, _succeeded: bool) -> None:
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
