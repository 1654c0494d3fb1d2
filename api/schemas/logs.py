"""Lines of the logs, as administrators read them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api.schemas.common import Limit
from core.logging import LogName

Level = Literal["debug", "info", "warning", "error", "critical"]

OWN_FIELDS = frozenset({"timestamp", "level", "event", "logger", "process", "exception"})
"""What each line has, or may have, whatever it tells of."""


class LogQuery(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[LogName, Meta(description="Which of the logs.")] = "app"
    level: Annotated[Level, Meta(description="Lines at this level and above.")] = "debug"
    limit: Limit = 50


class LogLineOut(msgspec.Struct):
    """An event as it was logged; what was secret in it was left out then."""

    timestamp: Annotated[str, Meta(examples=["2026-05-10T09:30:00.123456Z"])]
    level: Annotated[str, Meta(examples=["info"])]
    event: Annotated[str, Meta(examples=["request.done"])]
    logger: Annotated[str, Meta(examples=["api.request_log"])]
    process: Annotated[str, Meta(examples=["api"])]
    fields: Annotated[
        dict[str, Any],
        Meta(
            description="What differs from event to event, such as the ids.",
            examples=[{"request_id": "0198f3a56c1e7d42", "status": 201, "duration_ms": 4.2}],
        ),
    ]
    exception: (
        Annotated[str, Meta(description="With its traceback.", examples=["ValueError: no number"])] | None
    )

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> "LogLineOut":
        # As text, whatever they are: a file in the folder may hold what others have written.
        own = {name: str(line[name]) for name in OWN_FIELDS & line.keys()}
        return cls(
            own.get("timestamp", ""),
            own["level"],
            own.get("event", ""),
            own.get("logger", ""),
            own.get("process", ""),
            {name: value for name, value in line.items() if name not in OWN_FIELDS},
            own.get("exception"),
        )


class LogPage(msgspec.Struct):
    """The newest first."""

    items: list[LogLineOut]
