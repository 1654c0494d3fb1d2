"""Passkeys as clients write and read them; `options` and `credential` are WebAuthn's own JSON."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.schemas.common import PLAIN, Id, Instant, OnlyPage
from api.schemas.credentials import ChallengeText
from core.models import Passkey

Credential = Annotated[
    dict[str, Any],
    Meta(
        description="`PublicKeyCredential.toJSON()` of what the device has answered.",
        examples=[{"id": "AbCd", "rawId": "AbCd", "type": "public-key", "response": {}}],
    ),
]
Options = Annotated[
    dict[str, Any],
    Meta(
        description="For `PublicKeyCredential.parse…OptionsFromJSON()`.",
        examples=[{"challenge": "o2mQ0tS1", "rpId": "outlay.example.org", "userVerification": "required"}],
    ),
]
PasskeyName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=PLAIN,
        description="By which to know it again.",
        examples=["Phone"],
    ),
]


class AskedOut(msgspec.Struct):
    """What the device is to be asked; the challenge goes back with the answer, within five minutes."""

    challenge: ChallengeText
    options: Options


class NewPasskeyIn(msgspec.Struct, forbid_unknown_fields=True):
    challenge: ChallengeText
    name: PasskeyName
    credential: Credential


class PasskeyLoginIn(msgspec.Struct, forbid_unknown_fields=True):
    challenge: ChallengeText
    credential: Credential


class PasskeyOut(msgspec.Struct):
    """A device that logs its owner in."""

    id: Id
    name: PasskeyName
    created_at: Instant
    last_used_at: Instant | None

    @classmethod
    def of(cls, row: Passkey) -> "PasskeyOut":
        return cls(row.id, row.name, row.created_at, row.last_used_at)


class PasskeyPage(msgspec.Struct):
    """All of them, the newest first."""

    items: list[PasskeyOut]
    next_cursor: OnlyPage = None
