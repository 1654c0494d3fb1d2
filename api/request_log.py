"""Which request it is, and whose, in every line that is logged of it; and one line at its end."""

import time
from typing import Any

from falcon.asgi import Request, Response
from structlog.contextvars import bind_contextvars

from api.measures import measures
from core.log_context import begin_request
from core.logging import get_logger
from core.tracing import begin_request_span, request_id_of

HEADER = "X-Request-ID"

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for every few seconds by machines, which are not worth a line each."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others have no place among the labels of metrics: anybody could make up any number of them."""

UNKNOWN = "unknown"
"""The route of a path that is none, and a method that is none."""

log = get_logger(__name__)


class RequestLog:
    """Falcon middleware, the first: gives a request its id, which is answered, and tells of its end."""

    async def process_request(self, req: Request, _resp: Response) -> None:
        req.context.began_at = time.perf_counter()
        traceparent = req.get_header("traceparent")
        request_id = begin_request(req.get_header(HEADER) or request_id_of(traceparent))
        req.context.request_id = request_id
        req.context.span = begin_request_span(request_id, traceparent)

    async def process_response(
        self, req: Request, resp: Response, _resource: Any, _req_succeeded: bool
    ) -> None:
        duration_s = time.perf_counter() - req.context.began_at
        # Never the path itself: tokens stand in some.
        method = req.method if req.method in METHODS else UNKNOWN
        route, status = req.uri_template or UNKNOWN, resp.status_code
        resp.set_header(HEADER, req.context.request_id)
        measures().requests.labels(method, route, status).observe(duration_s)
        if req.context.span is not None:
            req.context.span.end(f"{method} {route}", method=method, route=route, status=status)
        tell = log.debug if route in PROBES else log.info
        tell(
            "request.done",
            method=method,
            route=route,
            status=status,
            duration_ms=round(duration_s * 1_000, 1),
        )


class CallerLog:
    """Falcon middleware, behind the authentication: from here on it is known who calls, and what for."""

    async def process_resource(self, req: Request, _resp: Response, _resource: Any, _params: Any) -> None:
        principal = getattr(req.context, "principal", None)
        whose = {} if principal is None else {"user_id": str(principal.user_id)}
        bind_contextvars(method=req.method, route=req.uri_template, **whose)
