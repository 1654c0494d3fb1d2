"""Logins with a wrong password: whether the time tells who has an account."""

import http.client
import json
import time
from statistics import median

from bench.load import Outcome, Summary
from bench.report import Row
from bench.system import Dialect, System

ATTEMPTS = 60
"""Of each kind, in turns, so that both meet the same machine. At cost 12 each takes a quarter of a second."""

BCRYPT_COST = "12"


def logging_in(dialect: Dialect) -> list[Row]:
    """Wrong passwords for accounts that exist and that do not, one after the other."""
    with System(dialect, processes=("api",), OUTLAY_BCRYPT_COST=BCRYPT_COST) as system:
        known = [f"known-{number}" for number in range(4)]
        for name in known:
            system.new_user(name)
        times = {"known": Outcome(), "unknown": Outcome()}
        for number in range(ATTEMPTS):
            for kind, outcome in times.items():
                outcome.latencies_ms.append(_attempt(system, f"{kind}-{number % len(known)}"))
        rows = []
        for kind, outcome in times.items():
            outcome.seconds = sum(outcome.latencies_ms) / 1000
            rows.append(Row.of(f"a wrong password for an account that is {kind}", Summary.of([outcome])))
        pairs = zip(times["unknown"].latencies_ms, times["known"].latencies_ms, strict=True)
        ratio = median(unknown / known for unknown, known in pairs)
        return [*rows, Row(f"unknown : known on {dialect}", f"{ratio:.3f}")]


def _attempt(system: System, login: str) -> float:
    """Milliseconds until the 401."""
    body = json.dumps({"login": login, "password": "wrong password"})
    connection = http.client.HTTPConnection("127.0.0.1", system.api_port)
    connection.connect()
    began = time.perf_counter()
    connection.request("POST", "/v1/auth/login", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    took_ms = (time.perf_counter() - began) * 1000
    connection.close()
    if answer.status != 401:
        raise RuntimeError(f"{login}: {answer.status}")
    return took_ms
