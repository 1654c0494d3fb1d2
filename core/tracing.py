"""Traces by OpenTelemetry, where a collector is set; without one its libraries are not even loaded.

A request's trace is made from the request's id, and so is the span that begins it. So whoever knows the id,
such as a worker that has it from the outbox, adds to that trace, and nothing else has to be carried along.
"""

import hashlib
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from core.log_context import current_request_ids

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext, Tracer

TRACE_ID = re.compile(r"[0-9a-f]{32}")
TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2: version, trace, parent, flags."""

NOTHING: AbstractContextManager[None] = nullcontext()

_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None
_begun_for: ContextVar[str | None] = ContextVar("begun_for", default=None)
"""The request whose first span is being made: its ids are not random."""


class RequestSpan(Protocol):
    """The span of a request, from its beginning to its end."""

    def end(self, name: str, **attributes: str | int) -> None: ...


def start_tracing(url: str, *, process: str) -> None:
    """Send spans to an OTLP collector over HTTP; after a fork, as a thread sends them. Without a URL nothing.

    The `OTEL_…` variables of the standard count as well, such as `OTEL_EXPORTER_OTLP_HEADERS`.
    """
    global _provider, _tracer
    if not url:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            request_id = _begun_for.get()
            return super().generate_trace_id() if request_id is None else trace_id_of(request_id)

        def generate_span_id(self) -> int:
            request_id = _begun_for.get()
            return super().generate_span_id() if request_id is None else span_id_of(request_id)

    resource = Resource.create({"service.name": f"outlay-{process}"})
    _provider = TracerProvider(resource=resource, id_generator=Ids(), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces")
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("outlay")


def stop_tracing() -> None:
    """Send what is still to be sent; takes as long as the collector does."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


def begin_request_span(request_id: str, traceparent: str | None) -> RequestSpan | None:
    """The first span of a request; others of its context are below it. None without a collector."""
    return None if _tracer is None else _RequestSpan(_tracer, request_id, traceparent)


def span(name: str, **attributes: str | int) -> AbstractContextManager[Any]:
    """A part of what is under way."""
    if _tracer is None:
        return NOTHING
    return _tracer.start_as_current_span(name, attributes=attributes)


def requests_span(
    name: str, *, request_ids: Sequence[str] | None = None, **attributes: str | int
) -> AbstractContextManager[Any]:
    """Work for requests that came in elsewhere: a part of the one's trace, or linked to those of several.

    Args:
        request_ids: if they are not those of this context.
    """
    if _tracer is None:
        return NOTHING
    from opentelemetry.trace import Link, NonRecordingSpan, set_span_in_context

    ids = current_request_ids() if request_ids is None else request_ids
    contexts = [_first_span_of(one) for one in ids]
    links: list[Link] = [] if len(contexts) == 1 else [Link(one) for one in contexts]
    parent = set_span_in_context(NonRecordingSpan(contexts[0])) if len(contexts) == 1 else None
    known = {**attributes, "request_ids": list(ids)}
    return _tracer.start_as_current_span(name, context=parent, links=links, attributes=known)


def request_id_of(traceparent: str | None) -> str | None:
    """The id for a request that comes with a trace: that trace's."""
    if traceparent is None:
        return None
    match = TRACE_PARENT.fullmatch(traceparent)
    return None if match is None or set(match[1]) == {"0"} else match[1]


def trace_id_of(request_id: str) -> int:
    """The id itself if it has the form of a trace's, else one made of it."""
    if TRACE_ID.fullmatch(request_id) and set(request_id) != {"0"}:
        return int(request_id, 16)
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:16], "big")


def span_id_of(request_id: str) -> int:
    """Of the first span; from other bytes of the digest than `trace_id_of`."""
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[16:24], "big")


def _first_span_of(request_id: str) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags

    flags = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(trace_id_of(request_id), span_id_of(request_id), is_remote=True, trace_flags=flags)


class _RequestSpan:
    def __init__(self, tracer: "Tracer", request_id: str, traceparent: str | None) -> None:
        from opentelemetry import context
        from opentelemetry.trace import SpanKind, set_span_in_context

        begun = _begun_for.set(request_id)
        try:
            self._span: Span = tracer.start_span(
                "request",
                context=_remote_parent(request_id, traceparent),
                kind=SpanKind.SERVER,
                attributes={"request_id": request_id},
            )
        finally:
            _begun_for.reset(begun)
        # Never detached: the context is the request's own and ends with it.
        context.attach(set_span_in_context(self._span))

    def end(self, name: str, **attributes: str | int) -> None:
        self._span.update_name(name)
        self._span.set_attributes(attributes)
        self._span.end()


def _remote_parent(request_id: str, traceparent: str | None) -> Any:
    """The caller's span as the parent, as long as the trace is the one that the id stands for."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    match = TRACE_PARENT.fullmatch(traceparent or "")
    if match is None or match[1] != request_id or set(match[2]) == {"0"}:
        return Context()
    parent = SpanContext(int(match[1], 16), int(match[2], 16), True, TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(parent), Context())
