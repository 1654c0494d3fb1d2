"""Keeping a full copy by GET /v1/changes: the first one, another one, and asking when nothing is new."""

import time
from functools import partial
from itertools import repeat
from statistics import median
from typing import Any
from urllib.parse import quote

from bench.load import measure, request
from bench.measures import SECONDS, categories_of, insert_expenses
from bench.report import Row
from bench.system import Dialect, System

COPIED = 100_000

RUNS = 3
"""Of a copy that is not the first one: there is one first."""


def copying(dialect: Dialect) -> list[Row]:
    """How long copies of 100,000 expenses take, and what a client costs that is up to date and asks again."""
    with System(dialect) as system:
        user_id, token = system.new_user("copyist")
        insert_expenses(system, user_id, categories_of(system, token), COPIED)
        first, _ = _copy(system, token)
        others = [_copy(system, token) for _ in range(RUNS)]
        polls = request("GET", f"/v1/changes?since={quote(others[0][1])}", token)
        summary = measure(system.api_port, partial(repeat, polls), connections=1, seconds=SECONDS, runs=RUNS)
        label = f"of {COPIED:,} expenses by GET /v1/changes on {dialect}"
        return [
            Row(f"first copy {label}, each numbered", f"{first:.1f} s"),
            Row(f"another copy {label}", f"{median(seconds for seconds, _ in others):.1f} s"),
            Row.of(f"GET /v1/changes when nothing is new on {dialect}, 1 connection", summary),
        ]


def _copy(system: System, token: str) -> tuple[float, str]:
    """The seconds that a whole copy takes, and the token at its end."""
    started = time.perf_counter()
    count, answer = 0, _page(system, token, "")
    while True:
        count += sum(item["type"] == "expense" for item in answer["items"])
        if not answer["has_more"]:
            break
        answer = _page(system, token, f"&since={quote(answer['next'])}")
    if count != COPIED:
        raise RuntimeError(f"{count} expenses of {COPIED} came")
    return time.perf_counter() - started, str(answer["next"])


def _page(system: System, token: str, since: str) -> Any:
    return system.call("GET", f"/v1/changes?limit=1000{since}", token)
