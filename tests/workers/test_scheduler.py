"""Beat while Redis is away: it goes on, and says so once."""

import logging

import pytest
import redis

from core.config import Settings
from tests.servers import TestRedis
from workers.app import create_app
from workers.scheduler import CalmScheduler


def test_ticks_during_an_outage_are_dropped_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="workers.scheduler")
    with TestRedis() as server:
        app = create_app(Settings(redis_url=server.url(), redis_prefix="beat"))
        scheduler = CalmScheduler(app, lazy=False)
        entry = scheduler.schedule["sweep evaluate_budgets"]

        def send() -> None:
            scheduler.apply_entry(entry, producer=scheduler.producer)

        send()
        server.kill()
        for _ in range(3):
            send()
        assert [record.getMessage().split()[0] for record in caplog.records] == ["beat.failing"]
        assert all(record.exc_info is None for record in caplog.records)
        server.restart()
        send()
        send()
        assert [record.getMessage() for record in caplog.records][1:] == ["beat.recovered"]
        with redis.Redis.from_url(server.url()) as client:
            assert client.llen("beat:jobs") == 2, "Redis came back empty, and nothing was kept for it"
        app.close()
