"""The table of a run."""

import os
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.load import Summary

ADDITIONS = 1_000_000


@dataclass(frozen=True)
class Row:
    """A measurement: its figure, its latencies, and how it compares with the floor of the same run."""

    name: str
    figure: str
    p50: str = ""
    p99: str = ""
    ratio: str = ""

    @classmethod
    def of(cls, name: str, summary: Summary, *, floor: Summary | None = None) -> "Row":
        ratio = "" if floor is None else f"{summary.rate / floor.rate:.2f}"
        p50, p99 = f"{summary.p50_ms:.1f} ms", f"{summary.p99_ms:.1f} ms"
        return cls(name, f"{summary.rate:,.0f}/s", p50, p99, ratio)


def table(rows: list[Row]) -> str:
    """Markdown. The ratio is to the row above it that it is compared with: its floor, or the smaller case."""
    lines = ["| what | median of 3 | p50 | p99 | ratio |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {row.name} | {row.figure} | {row.p50} | {row.p99} | {row.ratio} |" for row in rows]
    return "\n".join(lines)


def machine() -> str:
    """What the figures hold for."""
    today = datetime.now(UTC).date()
    return f"{today}, {os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}"


def gauge(name: str) -> Row:
    """How fast the machine is at this moment: a shared one may be three times as slow a minute later."""
    started = time.thread_time()
    total = 0
    for number in range(ADDITIONS):
        total += number
    return Row(f"gauge before {name}: a million additions", f"{(time.thread_time() - started) * 1000:.0f} ms")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
