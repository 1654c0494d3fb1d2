"""The OpenID providers that the operator has configured, each asked in threads of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from core.config import Settings
from core.errors import NotFound, Overloaded
from core.oidc import OidcClient
from core.oidc_settings import Provider

T = TypeVar("T")

THREADS = 4
"""Of each provider, begun when it is first asked, so that one that hangs takes none from the others."""

MAX_WAITING = 20
"""For one provider: five seconds of waiting where each answer takes one."""


class OidcProvider:
    """One of them, and who waits for it."""

    def __init__(self, provider: Provider, *, redirect_uri: str) -> None:
        self.client = OidcClient(provider, redirect_uri=redirect_uri)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix=f"oidc-{provider.name}")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Raises:
        Overloaded: too many wait already.
        """
        if self._waiting >= MAX_WAITING:
            raise Overloaded("too many logins wait for their provider")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


class OidcProviders:
    def __init__(self, settings: Settings) -> None:
        base = settings.public_url.rstrip("/")
        self._providers = {
            one.name: OidcProvider(one, redirect_uri=f"{base}/v1/auth/oidc/{one.name}/callback")
            for one in settings.providers
        }

    @property
    def names(self) -> list[str]:
        return list(self._providers)

    def named(self, name: str) -> OidcProvider:
        """Raises:
        NotFound
        """
        provider = self._providers.get(name)
        if provider is None:
            raise NotFound("no such provider")
        return provider

    def close(self) -> None:
        for provider in self._providers.values():
            provider.close()
