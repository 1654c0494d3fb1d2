"""Checks the sessions of clients who come in, many with one query."""

import asyncio

from core.queries.sessions import LiveSession
from ws_gateway.storage import SessionKey, Storage

Verdict = asyncio.Future[LiveSession | None]


class Admission:
    """After a restart all clients come back at once: those who ask during one query share the next."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._waiting: list[tuple[SessionKey, Verdict]] = []
        self._task: asyncio.Task[None] | None = None

    async def live_session(self, key: SessionKey) -> LiveSession | None:
        """The session with its user's newest number, read after this call began; None when it is over.

        Raises:
            DatabaseUnavailable: it could not be asked.
        """
        verdict: Verdict = asyncio.get_running_loop().create_future()
        self._waiting.append((key, verdict))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer_all())
        return await verdict

    async def _answer_all(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            try:
                live = await self._storage.admit({key for key, _ in asked})
            except Exception as error:  # noqa: BLE001 - handed to all who asked, else they would wait for ever
                for _, verdict in asked:
                    if not verdict.done():  # the client may have gone
                        verdict.set_exception(error)
                continue
            for key, verdict in asked:
                if not verdict.done():
                    verdict.set_result(live.get(key))
