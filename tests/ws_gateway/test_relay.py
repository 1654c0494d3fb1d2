"""The relay by itself: when it ends, and what it listens to."""

import asyncio
import os

from core.ids import new_id
from tests.conftest import REDIS
from tests.ws_gateway.clients import in_loop
from ws_gateway.relay import Relay


@in_loop
async def test_it_ends_when_it_is_cancelled_whatever_it_is_doing() -> None:
    """Once more for each step of the loop, in the middle of a crowd of new subscriptions."""
    for steps in range(40):
        linked = asyncio.Event()
        relay = Relay(os.environ[REDIS], prefix="test", on_message=lambda *_: None, on_linked=linked.set)
        task = asyncio.create_task(relay.run())
        if steps % 2:
            await asyncio.wait_for(linked.wait(), 5)
        crowd = [asyncio.create_task(relay.listen(new_id())) for _ in range(50)]
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        _, pending = await asyncio.wait([task], timeout=5)
        assert not pending, f"it hangs after {steps} steps"
        assert task.cancelled()
        for waiting in crowd:
            waiting.cancel()
