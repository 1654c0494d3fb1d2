"""What limits, audit trail and metrics cost POST /v1/expenses: the API with and without them, in turns."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median

from bench.lesser_api import PARTS
from bench.load import WARM_UP_S, Outcome, Summary, run_load
from bench.measures import CONNECTIONS, categories_of, posts
from bench.report import Row
from bench.system import Dialect, System, await_port
from core.commands.ports import free_port

ROUNDS = 7
SECONDS = 3.0
"""Short ones, many times: whatever else the machine does meets all alike."""

LIMIT = 400_000
"""Requests a minute: some more than a process answers, so that Redis counts the poster as often as it does
somebody who comes near the usual limit."""

WHOLE = "whole"


@dataclass
class _Variant:
    """The API without some parts, and what it has done so far."""

    name: str
    parts: tuple[str, ...] = ()
    runs: list[Outcome] = field(default_factory=list)
    processor_us: list[float] = field(default_factory=list)


def overheads(dialect: Dialect) -> list[Row]:
    """The same load on five processes over the same database, one after the other, many times."""
    with System(dialect, processes=("api",), OUTLAY_REQUESTS_PER_MINUTE=str(LIMIT)) as system:
        _user_id, token = system.new_user("poster")
        category_ids = categories_of(system, token)
        system.call("POST", "/v1/budgets", token, {"name": "All", "amount": "100000000"})
        system.stop("api")
        variants = [_Variant(WHOLE)]
        variants += [_Variant(f"without {part}", (part,)) for part in PARTS]
        variants.append(_Variant("without all three", tuple(PARTS)))
        for number in range(ROUNDS):
            # Not always in the same order: one may profit from what the one before it leaves behind.
            _round(system, variants[:: 1 if number % 2 else -1], number, lambda: posts(token, category_ids))
    return [_row(variant, variants[-1]) for variant in reversed(variants)]


def _round(
    system: System, variants: list[_Variant], number: int, requests: Callable[[], Iterator[bytes]]
) -> None:
    """In processes of its own: two that are the same differ by a twentieth, for as long as they live.

    They share the seed of their hashes at least, which is a part of that.
    """
    ports = {variant.name: free_port() for variant in variants}
    for variant in variants:
        settings = {"OUTLAY_API_PORT": str(ports[variant.name]), "PYTHONHASHSEED": str(number)}
        system.start(variant.name, ["bench.lesser_api", *variant.parts], **settings)
    for port in ports.values():
        await_port(port)
    for variant in variants:
        before = system.cpu_seconds(variant.name)
        load = run_load(ports[variant.name], requests(), connections=CONNECTIONS, seconds=SECONDS)
        outcome = asyncio.run(load)
        # The warm-up has its share of the processor's time as well.
        sent = outcome.rate * (SECONDS + WARM_UP_S)
        variant.processor_us.append((system.cpu_seconds(variant.name) - before) / sent * 1e6)
        variant.runs.append(outcome)
    for variant in variants:
        system.stop(variant.name)


def _row(variant: _Variant, least: _Variant) -> Row:
    summary = Summary.of(variant.runs)
    pairs = zip(variant.runs, least.runs, strict=True)
    return Row(
        f"POST /v1/expenses, {variant.name}: {median(variant.processor_us):.0f} µs of the processor",
        f"{summary.rate:,.0f}/s",
        f"{summary.p50_ms:.1f} ms",
        f"{summary.p99_ms:.1f} ms",
        f"{median(one.rate / other.rate for one, other in pairs):.3f}",
    )
