"""How uvicorn serves the API: over which protocol, for how long, and whom it believes."""

import sys
from typing import Any

from api.headers import fixed_headers
from core.config import Settings

BACKLOG = 2_048
KEEP_ALIVE_S = 30
SHUTDOWN_TIMEOUT_S = 15
"""In-flight requests finish within this. Compose kills after 20 s and the launcher after 25 s, so time is
left to close what the process holds."""


def serving_options(settings: Settings) -> dict[str, Any]:
    """The arguments of `uvicorn.Config` that are the same wherever the API runs."""
    return {
        "loop": "uvloop" if sys.platform != "win32" else "asyncio",
        "http": "api.connections:ApiProtocol",
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "headers": list(fixed_headers(settings).items()),
        # It takes the last address in X-Forwarded-For that is none of these, if we are connected with one.
        "forwarded_allow_ips": [str(network) for network in settings.proxies],
        "backlog": BACKLOG,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": SHUTDOWN_TIMEOUT_S,
    }
