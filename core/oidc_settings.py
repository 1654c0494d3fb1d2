"""The OpenID providers that the operator trusts, as the environment has them."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from core.errors import ConfigurationError

LOOPBACK = frozenset({"localhost", "127.0.0.1"})
"""Nobody listens between us and this machine, so a provider on it needs no https."""

ProviderName = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$(?!\n)")]


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One that the operator trusts. With `registers` somebody new gets an account, else only who has one."""

    name: ProviderName
    issuer: str
    client_id: str
    client_secret: str = ""
    scope: str = "openid email profile"
    registers: bool = True


def parse_providers(text: str) -> tuple[Provider, ...]:
    """The list of JSON objects in `OUTLAY_OIDC_PROVIDERS`.

    Raises:
        ConfigurationError
    """
    if not text:
        return ()
    try:
        providers = msgspec.json.decode(text, type=tuple[Provider, ...])
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"OUTLAY_OIDC_PROVIDERS: {error}") from error
    if len({provider.name for provider in providers}) < len(providers):
        raise ConfigurationError("OUTLAY_OIDC_PROVIDERS: a name is given twice")
    for provider in providers:
        if not is_confidential(provider.issuer):
            raise ConfigurationError(f"OUTLAY_OIDC_PROVIDERS: the issuer of {provider.name} needs https")
    return providers


def is_confidential(url: str) -> bool:
    """Whether nobody on the way can read or change what is said there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    )
