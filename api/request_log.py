"""Which request it is, and whose, in every line that is logged of it; and one line at its end."""

import time
from typing import Any

from falcon.asgi import Request, Response
from prometheus_client import Histogram

from api.measures import measures
from core.log_context import add_fields, begin_request
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
    """Falcon middleware: gives a request its id, which is answered, and tells of its end.

    It stands behind the authentication, so that it is known who calls when it is known what for.
    """

    def __init__(self) -> None:
        self._histograms: dict[tuple[str, str, int], Histogram] = {}

    async def process_request(self, req: Request, resp: Response) -> None:
        traceparent = req.get_header("traceparent")
        request_id = begin_request(req.get_header(HEADER) or request_id_of(traceparent))
        resp.set_header(HEADER, request_id)
        context = req.context
        context.request_id = request_id
        context.span = begin_request_span(request_id, traceparent)
        context.began_at = time.perf_counter()

    async def process_resource(self, req: Request, _resp: Response, _resource: Any, _params: Any) -> None:
        principal = getattr(req.context, "principal", None)
        if principal is None:
            add_fields(method=req.method, route=req.uri_template)
        else:
            add_fields(method=req.method, route=req.uri_template, user_id=principal.user_id)

    async def process_response(
        self, req: Request, resp: Response, _resource: Any, _req_succeeded: bool
    ) -> None:
        began_at = getattr(req.context, "began_at", None)
        if began_at is None:
            return  # it was refused before it came here
        duration_s = time.perf_counter() - began_at
        # Never the path itself: tokens stand in some.
        method = req.method if req.method in METHODS else UNKNOWN
        route, status = req.uri_template or UNKNOWN, resp.status_code
        self._histogram(method, route, status).observe(duration_s)
        if req.context.span is not None:
            req.context.span.end(f"{method} {route}", method=method, route=route, status=status)
        tell = log.debug if route in PROBES else log.info
        duration_ms = round(duration_s * 1_000, 1)
        tell("request.done", method=method, route=route, status=status, duration_ms=duration_ms)

    def _histogram(self, method: str, route: str, status: int) -> Histogram:
        """The library finds it in a dictionary too, but behind a lock and after a look at each label."""
        known = self._histograms.get((method, route, status))
        if known is None:
            known = measures().requests.labels(method, route, status)
            self._histograms[method, route, status] = known
        return known
