"""What a gateway measures."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from core.metrics import SECONDS, registry


class Measures:
    def __init__(self) -> None:
        self.lag = Histogram(
            "outlay_notification_lag_seconds",
            "From when a notification was stored to when it was sent, to clients that were there by then.",
            registry=registry,
            buckets=SECONDS,
        )
        self.sent = Counter(
            "outlay_gateway_notifications_sent",
            "Notifications sent, as they came live or as read from the database.",
            ["source"],
            registry=registry,
        )
        self.connections = Gauge("outlay_gateway_connections", "Open WebSockets.", registry=registry)
        self.overflows = Counter(
            "outlay_gateway_queue_overflows",
            "How often a client's queue was full, and what was in it left to the database.",
            registry=registry,
        )
        self.closed = Counter(
            "outlay_gateway_closed", "WebSockets that the gateway closed.", ["code"], registry=registry
        )
        self.stalled = Counter(
            "outlay_gateway_slow_clients", "Clients closed for taking nothing.", registry=registry
        )
        self.redis_up = Gauge(
            "outlay_gateway_redis_up", "Whether what is published arrives: 1 or 0.", registry=registry
        )


@cache
def measures() -> Measures:
    """Of this process."""
    return Measures()
