"""Wires the collaborators into the Falcon application."""

import asyncio
import gc
import os
from functools import partial
from typing import Any

import falcon.asgi

from api.audit import AuditTrail
from api.collaborators import Collaborators
from api.headers import ApiResponse, CrossOrigin
from api.openapi import openapi_document
from api.problems import add_error_handlers
from api.request_log import RequestLog
from api.resources.documentation import Documentation
from api.routes import add_routes
from core.config import Settings, load_settings
from core.process import start_logging
from core.tracing import start_tracing, stop_tracing


class Lifespan:
    """Falcon middleware that starts and stops what the process holds."""

    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators

    async def process_startup(self, _scope: Any, _event: Any) -> None:
        self._collaborators.expense_writer.start()

    async def process_shutdown(self, _scope: Any, _event: Any) -> None:
        await self._collaborators.expense_writer.close()
        await self._collaborators.gatekeeper.close()
        in_thread = partial(asyncio.get_running_loop().run_in_executor, None)
        await in_thread(self._collaborators.close)
        await in_thread(stop_tracing)


def create_app(settings: Settings) -> falcon.asgi.App[Any, Any]:
    """The API over its own database pool. Nothing is connected before the first request."""
    collaborators = Collaborators.of(settings)
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(
        response_type=ApiResponse,
        middleware=[
            Lifespan(collaborators),
            *([CrossOrigin(settings.allowed_cors_origins)] if settings.allowed_cors_origins else []),
            collaborators.authentication,
            RequestLog(),
            collaborators.gatekeeper,
            AuditTrail(),
        ],
    )
    app.req_options.strip_url_path_trailing_slash = True
    add_error_handlers(app)
    add_routes(app, collaborators)
    documentation = Documentation(openapi_document(app))
    app.add_route("/openapi.json", documentation, suffix="document")
    app.add_route("/docs", documentation)
    app.add_route("/docs/{name}", documentation, suffix="asset")
    return app


def create_app_from_environment() -> falcon.asgi.App[Any, Any]:
    """For uvicorn, which calls it in each of its processes."""
    settings = load_settings(os.environ)
    start_logging(settings, process="api")
    start_tracing(settings.otel_url, process="api")
    app = create_app(settings)
    # All that there is by now stays. Else each full collection looks at 250,000 objects again, and requests
    # wait for it.
    gc.collect()
    gc.freeze()
    return app
