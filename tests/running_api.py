"""The real API under uvicorn, in a thread of the test process."""

import threading
from collections.abc import Collection
from types import TracebackType
from typing import Any, Self, cast

import uvicorn

from api.app import create_app
from api.connections import ApiProtocol
from api.serving import serving_options
from core.config import Settings

START_TIMEOUT_S = 20


class RunningApi:
    """Serves on a free port of the loopback while the context is open."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        """`options` are uvicorn's, instead of those that the API is served with."""
        self.settings = settings
        config = uvicorn.Config(
            create_app(settings), host="127.0.0.1", port=0, **serving_options(settings) | options
        )
        self._server = _Announcing(config)
        self._thread = threading.Thread(target=self._server.run, name="api", daemon=True)

    @property
    def url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    @property
    def connections(self) -> Collection[ApiProtocol]:
        """Those that are open, as uvicorn keeps them."""
        return cast("Collection[ApiProtocol]", self._server.server_state.connections)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._server.has_started.wait(START_TIMEOUT_S):
            raise TimeoutError("the API did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """As a signal does; what is under way goes on."""
        self._server.should_exit = True


class _Announcing(uvicorn.Server):
    """uvicorn's server, telling when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = threading.Event()

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup()
        self.has_started.set()
