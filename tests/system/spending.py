"""What a good client does: writes, and after an accident asks again with the same key."""

import threading
import time
from typing import Any
from uuid import uuid4

import httpx

from tests.system.system import PATIENCE_S

RETRY_PAUSE_S = 0.1
"""A good client would wait longer; a test's process is back soon."""


class GaveUp(AssertionError):
    """The API has not taken a write in all the time that a client would go on trying."""


def set_budget(client: httpx.Client, name: str, amount: str, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/budgets", json={"name": name, "amount": amount, **fields})
    assert answer.status_code == 201, answer.text
    budget: dict[str, Any] = answer.json()
    return budget


def spend(client: httpx.Client, amount: str, **fields: Any) -> dict[str, Any]:
    """Write an expense that must be taken at once."""
    answer = client.post("/v1/expenses", json={"amount": amount, **fields})
    assert answer.status_code == 201, answer.text
    expense: dict[str, Any] = answer.json()
    return expense


def spend_surely(client: httpx.Client, body: dict[str, Any], *, within_s: float = PATIENCE_S) -> int:
    """Write an expense, again and again until it is acknowledged; answers how many times it took.

    Raises:
        GaveUp: it was refused, or not acknowledged in time.
    """
    key = str(uuid4())
    deadline = time.monotonic() + within_s
    tries, reason = 0, ""
    while time.monotonic() < deadline:
        tries += 1
        try:
            answer = client.post("/v1/expenses", json=body, headers={"Idempotency-Key": key})
        except httpx.TransportError as error:
            reason = repr(error)
        else:
            if answer.status_code == 201:
                return tries
            reason = f"{answer.status_code} {answer.text}"
            if answer.status_code != 503:
                break
        threading.Event().wait(RETRY_PAUSE_S)
    raise GaveUp(f"after {tries} tries: {reason}")
