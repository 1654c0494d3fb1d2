"""Redis: is it there, and does it keep what it is given."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from core.commands.findings.databases import agreement
from core.commands.findings.finding import Finding, ok, problem, warning
from core.config import Settings

TIMEOUT_S = 3.0
OLDEST = 6
ABOUT = "Redis"


def redis_findings(settings: Settings) -> list[Finding]:
    url = settings.redis_url or embedded_url(Path(settings.data_dir)) or settings.redis
    client: Any = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    try:
        client.ping()
        return [version(client), eviction(client), redis_clock(client, settings)]
    except RedisError as error:
        # Of the address nothing is told: its password is part of it.
        return [_away(settings, error)]
    finally:
        client.close()


def _away(settings: Settings, error: RedisError) -> Finding:
    reason = f"does not answer ({type(error).__name__}); alerts and notifications are late"
    if not settings.redis_url and not settings.is_production:
        return warning(ABOUT, reason, "make run starts one; does it run?")
    return problem(ABOUT, reason, "start it, and see OUTLAY_REDIS_URL and its password")


def embedded_url(folder: Path) -> str:
    """Of the server that `make run` has started on this data folder; empty when it never has."""
    try:
        lines = (folder / "redis.conf").read_text().splitlines()
    except OSError:
        return ""
    given = dict(line.split(" ", 1) for line in lines if " " in line and not line.startswith("#"))
    if not given.keys() >= {"bind", "port", "requirepass"}:
        return ""
    return f"redis://:{given['requirepass']}@{given['bind']}:{given['port']}/0"


def version(client: Any) -> Finding:
    found = str(client.info("server").get("redis_version", "0"))
    if int(found.partition(".")[0]) < OLDEST:
        return warning(ABOUT, f"version {found}", f"{OLDEST} or newer")
    return ok(ABOUT, f"version {found}; nothing lives only there, so it need not save anything")


def eviction(client: Any) -> Finding:
    memory = client.info("memory")
    policy, limit = memory.get("maxmemory_policy", "noeviction"), int(memory.get("maxmemory", 0))
    if policy != "noeviction":
        level = problem if limit else warning
        return level(
            ABOUT, f"maxmemory-policy is {policy}: queued wake-ups may be dropped", "set it to noeviction"
        )
    return ok(ABOUT, "drops nothing to make room (noeviction)")


def redis_clock(client: Any, settings: Settings) -> Finding:
    seconds, microseconds = client.time()
    theirs = datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
    return agreement("clock of Redis", theirs, settings)
