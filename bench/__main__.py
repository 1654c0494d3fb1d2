"""`python -m bench [name …]`: measure the running system and print the tables (all, or those named)."""

import sys
from collections.abc import Callable

from bench.alerts import alerting
from bench.audit import auditing
from bench.backups import backing_up
from bench.changes import copying
from bench.charts import charting
from bench.digests import digesting
from bench.exports import exporting
from bench.groups import balancing, grouping
from bench.imports import importing
from bench.insight import analysing
from bench.logins import logging_in
from bench.measures import bursting, growth, listing, memory, posting
from bench.overheads import overheads
from bench.recurring import recurring
from bench.report import Row, gauge, machine, table
from bench.reports import reporting
from bench.splits import planning
from bench.system import Dialect
from bench.webhooks import webhooking

MEASURES: dict[str, Callable[[Dialect], list[Row]]] = {
    "posting": posting,
    "listing": listing,
    "growth": growth,
    "alerting": alerting,
    "bursting": bursting,
    "memory": memory,
    "logging_in": logging_in,
    "grouping": grouping,
    "balancing": balancing,
    "planning": planning,
    "analysing": analysing,
    "charting": charting,
    "copying": copying,
    "importing": importing,
    "exporting": exporting,
    "reporting": reporting,
    "digesting": digesting,
    "recurring": recurring,
    "webhooks": webhooking,
    "backing_up": backing_up,
    "auditing": auditing,
    "overheads": overheads,
}
DIALECTS: tuple[Dialect, ...] = ("postgresql", "sqlite")


def main(names: list[str]) -> int:
    unknown = set(names) - MEASURES.keys()
    if unknown:
        print(f"usage: python -m bench [{' | '.join(MEASURES)}]", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in names or MEASURES:
        for dialect in DIALECTS:
            print(f"{name} on {dialect} …", file=sys.stderr, flush=True)
            rows.append(gauge(f"{name} on {dialect}"))
            rows += MEASURES[name](dialect)
            print("\n".join(row.name + "  " + row.figure for row in rows[-3:]), file=sys.stderr)
    print(machine() + "\n")
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
