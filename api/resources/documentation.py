import asyncio
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import falcon
import msgspec
from falcon.asgi import Request, Response

from api.headers import send_page_headers

ASSETS = {
    "swagger-ui.css": ("offapi/swagger_style.css", "text/css"),
    "swagger-ui-bundle.js": ("offapi/swagger_bundle.js", "text/javascript"),
    "swagger-ui-preset.js": ("offapi/swagger_preset.js", "text/javascript"),
}
"""What the page loads, from the files of the offapi package: nothing comes from elsewhere."""

PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Outlay API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/swagger-ui-preset.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

START = b"""SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
});
"""
"""A file of its own, so that the page needs no script within it, and none that got into it would run."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI styles its elements in place, and has its pictures in its style sheet."""


class Documentation:
    """`/openapi.json` and its page."""

    is_public = True

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = msgspec.json.encode(document)

    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        send_page_headers(resp, POLICY)
        resp.data = PAGE

    async def on_get_document(self, _req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._document

    async def on_get_asset(self, _req: Request, resp: Response, name: str) -> None:
        if name == "start.js":
            resp.content_type, resp.data = "text/javascript", START
            return
        if name not in ASSETS:
            raise falcon.HTTPNotFound
        file, resp.content_type = ASSETS[name]
        path = Path(str(distribution("offapi").locate_file(file)))
        resp.data = await asyncio.to_thread(path.read_bytes)
