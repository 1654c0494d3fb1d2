from typing import Any

import falcon
import msgspec
from falcon.asgi import Request, Response
from offapi import OpenAPITemplate


class Documentation:
    """`/openapi.json` and its page, which loads nothing from elsewhere."""

    is_public = True

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = msgspec.json.encode(document)
        template: str = OpenAPITemplate.SWAGGER.value
        self._page = template.format(spec_url="/openapi.json").encode()

    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.data = self._page

    async def on_get_document(self, _req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._document
