"""What the API's processes measure."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from core.metrics import SECONDS, registry

ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Measures:
    def __init__(self) -> None:
        self.requests = Histogram(
            "outlay_http_request_seconds",
            "How long requests took, by route and status.",
            ["method", "route", "status"],
            registry=registry,
            buckets=SECONDS,
        )
        self.commits = Histogram(
            "outlay_group_commit_items",
            "Expenses that shared a transaction.",
            registry=registry,
            buckets=ITEMS,
        )
        self.lone_commits = Counter(
            "outlay_group_commit_alone",
            "Expenses that could not share a transaction and got one of their own.",
            registry=registry,
        )
        self.passwords = Gauge(
            "outlay_passwords_waiting",
            "Password checks that are under way or wait for a processor.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.transactions = Gauge(
            "outlay_transactions_waiting",
            "Requests whose transaction is under way or waits for a thread.",
            registry=registry,
            multiprocess_mode="livesum",
        )


@cache
def measures() -> Measures:
    """Of this process; made when first asked for, as only then it is known whether figures are shared."""
    return Measures()
