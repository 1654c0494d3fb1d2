"""`python -m bench.lesser_api part …`: the API without some of its parts, to measure what those cost.

The parts are taken out of this process only: nothing in the API itself can switch them off.
"""

import sys
from typing import Any

from falcon.asgi import Request, Response

from api import __main__ as api
from api.audit import AuditTrail
from api.gatekeeper import Gatekeeper
from api.measures import measures


class _Unmeasured:
    """In place of any figure."""

    def labels(self, *_values: Any) -> "_Unmeasured":
        return self

    def observe(self, _value: float) -> None:
        pass

    def inc(self) -> None:
        pass

    def dec(self) -> None:
        pass


def without_throttle() -> None:
    async def let_in(self: Gatekeeper, req: Request, _resp: Response, _resource: Any, _params: Any) -> None:
        req.context.gatekeeper = self

    Gatekeeper.process_resource = let_in  # type: ignore[method-assign, assignment]


def without_audit() -> None:
    async def forget(_self: AuditTrail, _req: Request, _resp: Response, _resource: Any, _params: Any) -> None:
        pass

    AuditTrail.process_resource = forget  # type: ignore[method-assign, assignment]


def without_metrics() -> None:
    figures = measures()
    for name in vars(figures):
        setattr(figures, name, _Unmeasured())


PARTS = {"throttle": without_throttle, "audit": without_audit, "metrics": without_metrics}


if __name__ == "__main__":
    for part in sys.argv[1:]:
        PARTS[part]()
    sys.exit(api.main())
