"""Reports beside a million expenses: from asking for one until it is there, and where the time goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import UUID

from bench.insight import EXPENSES, FOREIGN_EVERY, fill
from bench.measures import POLL_S, SETTLE_S, categories_of
from bench.report import Row
from bench.system import Dialect, System
from core import clock
from core.charts.renderer import ChartRenderer
from core.database import Database
from core.ids import new_id
from core.queries.report_documents import ReportFigures
from core.queries.report_figures import report_figures
from core.reports.pictures import PictureName, picture_specs
from core.reports.workbook import build_workbook
from core.rules.report_periods import ReportKind, parse_report_period
from core.services.report_upkeep import mark_stale

RUNS = 5
ASKED: tuple[tuple[ReportKind, str], ...] = (("monthly", "2025-06"), ("yearly", "2025"))
BUDGETS = 10
MARKED_USERS = 100
"""As many as share a transaction when budgets are evaluated."""


@dataclass(frozen=True)
class _Parts:
    """Milliseconds."""

    figures: float
    pictures: float
    workbook: float


def reporting(dialect: Dialect) -> list[Row]:
    """A month and a year of a user with a million expenses in two currencies and ten budgets."""
    with System(dialect, processes=("api", "worker", "builder")) as system:
        user_id, token = system.new_user("reporter")
        category_ids = categories_of(system, token)
        fill(system, UUID(user_id), [UUID(one) for one in category_ids], FOREIGN_EVERY)
        token = system.login("reporter")  # filling may take longer than a token lives
        for category_id in category_ids[:BUDGETS]:
            budget = {"name": "Budget", "amount": "5000", "category_ids": [category_id]}
            system.call("POST", "/v1/budgets", token, budget)
        time.sleep(SETTLE_S)
        rows = []
        database = Database(system.database_url, pool_size=1)
        for kind, period in ASKED:
            asked = [_ask(system, token, kind, period) for _ in range(RUNS)]
            parts = _parts(database, UUID(user_id), kind, period)
            label = f"{kind} report beside {EXPENSES:,} expenses on {dialect}"
            rows += [
                _row(f"{label}: asked for until it is there", [seconds * 1000 for seconds, _ in asked]),
                _row("… its figures, which is all where nothing has changed", [one.figures for one in parts]),
                _row("… its charts, drawn by a warm process", [one.pictures for one in parts]),
                _row(f"… its workbook of {asked[0][1] / 1000:.0f} KB", [one.workbook for one in parts]),
            ]
        memory = system.memory_mb()
        rows.append(Row(f"memory of a builder process on {dialect}", f"{memory['builder child']:.0f} MB"))
        label = f"marking reports stale, {MARKED_USERS} users without any, on {dialect}"
        rows.append(_row(label, _marking(database)))
        database.close()
        return rows


def _ask(system: System, token: str, kind: str, period: str) -> tuple[float, int]:
    """The seconds until it is there, and the bytes of its workbook; it is deleted again."""
    started = time.perf_counter()
    report = system.call("POST", "/v1/reports", token, {"kind": kind, "period": period})
    path = f"/v1/reports/{report['id']}"
    while report["state"] in ("queued", "running"):
        time.sleep(POLL_S)
        report = system.call("GET", path, token)
    seconds = time.perf_counter() - started
    if report["state"] != "succeeded":
        raise RuntimeError(f"the report is {report['state']}")
    system.call("DELETE", path, token)
    return seconds, report["bytes"]


def _parts(database: Database, user_id: UUID, kind: ReportKind, text: str) -> list[_Parts]:
    period, renderer = parse_report_period(kind, text), ChartRenderer()

    def figures() -> ReportFigures:
        with database.snapshot_rows() as rows:
            return report_figures(rows, user_id=user_id, kind=kind, period=period, currency="EUR")

    def pictures(found: ReportFigures) -> dict[PictureName, bytes]:
        return {name: renderer.render(spec, "png") for name, spec in picture_specs(found).items()}

    try:
        drawn = pictures(figures())
        parts = []
        for _ in range(RUNS):
            found, figures_ms = _timed(figures)
            _, pictures_ms = _timed(lambda found=found: pictures(found))  # type: ignore[misc]
            _, workbook_ms = _timed(
                lambda found=found: build_workbook(found, drawn, built_at=clock.now())  # type: ignore[misc]
            )
            parts.append(_Parts(figures_ms, pictures_ms, workbook_ms))
        return parts
    finally:
        renderer.close()


def _marking(database: Database) -> list[float]:
    users = {new_id(): clock.now().date() for _ in range(MARKED_USERS)}
    times = []
    for _ in range(RUNS * 10):
        with database.transaction() as session:
            _, milliseconds = _timed(lambda session=session: mark_stale(session, users))  # type: ignore[misc]
            times.append(milliseconds)
    return times


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = work()
    return result, (time.perf_counter() - started) * 1000


def _row(name: str, times: list[float]) -> Row:
    return Row(name, "", f"{median(times):,.1f} ms", f"{max(times):,.1f} ms")
