"""Logins by OpenID providers as clients write and read them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.common import PLAIN, Instant, OnlyPage
from core.models import Identity

Name = Annotated[str, Meta(description="As the operator has called it.", examples=["google"])]


class ProviderOut(msgspec.Struct):
    name: Name
    url: Annotated[str, Meta(description="Where a login begins.", examples=["/v1/auth/oidc/google"])]


class ProviderPage(msgspec.Struct):
    items: list[ProviderOut]
    next_cursor: OnlyPage = None


class CallbackQuery(msgspec.Struct):
    """What a provider adds to the address; anything else that it adds is none of ours."""

    state: Annotated[str, Meta(max_length=200, pattern=PLAIN)] = ""
    code: Annotated[str, Meta(max_length=4_000, pattern=PLAIN)] | None = None
    error: Annotated[str, Meta(max_length=200, pattern=PLAIN)] | None = None


class IdentityOut(msgspec.Struct):
    """An account with a provider that logs one in."""

    provider: Name
    subject: Annotated[
        str, Meta(description="The provider's name for it.", examples=["110169484474386276334"])
    ]
    created_at: Instant

    @classmethod
    def of(cls, row: Identity) -> "IdentityOut":
        return cls(row.provider, row.subject, row.created_at)


class IdentityPage(msgspec.Struct):
    items: list[IdentityOut]
    next_cursor: OnlyPage = None
