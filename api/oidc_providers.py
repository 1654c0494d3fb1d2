"""The OpenID providers that the operator has configured, asked in threads of their own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from core.config import Settings
from core.errors import NotFound, Overloaded
from core.oidc import OidcClient

T = TypeVar("T")

THREADS = 4
MAX_WAITING = 40
"""A provider that hangs must not take the other threads, nor collect those who wait for it without end."""


class OidcProviders:
    def __init__(self, settings: Settings) -> None:
        base = settings.public_url.rstrip("/")
        self._clients = {
            provider.name: OidcClient(provider, redirect_uri=f"{base}/v1/auth/oidc/{provider.name}/callback")
            for provider in settings.providers
        }
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="oidc")
        self._waiting = 0

    @property
    def names(self) -> list[str]:
        return list(self._clients)

    def client_of(self, name: str) -> OidcClient:
        """Raises:
        NotFound
        """
        client = self._clients.get(name)
        if client is None:
            raise NotFound("no such provider")
        return client

    async def run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Overloaded("too many logins wait for their provider")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
