"""What guards an account, as clients write and read it."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.accounts import Email, NewPassword, Password
from api.schemas.common import PLAIN, Id, Instant, OnlyPage
from core.mail_tokens import TOKEN_CHARACTERS
from core.models import ApiKey
from core.rules.scopes import AREAS, SCOPES

CODE_EXAMPLE = "AZjzpWwefUKbB14vikHD1moDQIk.CmwdeL4pBw9bQk3oX0mN5rT8yLq2vJ7hGc4fWb6dZa8"
KEY_EXAMPLE = "outlay_AZjzpWwefUKbB14vikHD1gGY86VsHn1CmwdeL4pBw9bQk3oX0mN5rT8yLq2vJ7hGc4fWb6dZa9eSu1iPxKt_Yw"
RECOVERY_EXAMPLE = "abcd-efgh-ijkl-mnop-qrst-uvwx"

MAX_SCOPES = 50
"""More than there are."""

MailCode = Annotated[
    str,
    Meta(
        max_length=2 * TOKEN_CHARACTERS,
        description="The code of the mail, as it stands there.",
        examples=[CODE_EXAMPLE],
    ),
]
Code = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=PLAIN,
        description="From the authenticator app, or a recovery code.",
        examples=["492039"],
    ),
]
RecoveryCodes = Annotated[
    list[str],
    Meta(description="Each stands in for a code once; shown here only.", examples=[[RECOVERY_EXAMPLE]]),
]
ChallengeText = Annotated[
    str,
    Meta(
        max_length=200, description="Of the login.", examples=["o2mQ0tS1vZ4cL7xN8bK3hJ5gF6dA9wErTyUiPqWeRtY"]
    ),
]
KeyName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=PLAIN,
        description="By which to know it again.",
        examples=["Backup script"],
    ),
]
Scopes = Annotated[
    list[str],
    Meta(
        min_length=1,
        max_length=MAX_SCOPES,
        description="`read` and `write` of "
        + "; ".join(f"`{area}`: {covers}" for area, covers in AREAS.items()),
        examples=[["expenses:read"]],
        extra_json_schema={"items": {"type": "string", "enum": sorted(SCOPES)}},
    ),
]
"""Checked by the service, which says which one is wrong."""


class PasswordResetIn(msgspec.Struct, forbid_unknown_fields=True):
    email: Email


class ResetConfirmationIn(msgspec.Struct, forbid_unknown_fields=True):
    token: MailCode
    password: NewPassword


class PasswordChangeIn(msgspec.Struct, forbid_unknown_fields=True):
    current_password: Password
    password: NewPassword


class EmailChangeIn(msgspec.Struct, forbid_unknown_fields=True):
    """The new address, and the password once more."""

    email: Email
    password: Password


class ReauthenticationIn(msgspec.Struct, forbid_unknown_fields=True):
    """The password once more."""

    password: Password


class CodeIn(msgspec.Struct, forbid_unknown_fields=True):
    code: Code


class FactorChangeIn(msgspec.Struct, forbid_unknown_fields=True):
    """The password once more, and a code."""

    password: Password
    code: Code


class SecondFactorLoginIn(msgspec.Struct, forbid_unknown_fields=True):
    challenge: ChallengeText
    code: Code


class SecondFactorOut(msgspec.Struct):
    """Whether logins ask for a code."""

    is_enabled: Annotated[bool, Meta(examples=[True])]
    confirmed_at: Instant | None
    recovery_codes_left: Annotated[int, Meta(examples=[9])]


class NewFactorOut(msgspec.Struct):
    """What the authenticator app is to know; shown here only."""

    secret: Annotated[str, Meta(description="In base32.", examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"])]
    uri: Annotated[
        str,
        Meta(
            description="For a QR code.",
            examples=["otpauth://totp/Outlay:ada?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Outlay"],
        ),
    ]


class RecoveryCodesOut(msgspec.Struct):
    recovery_codes: RecoveryCodes


class ApiKeyIn(msgspec.Struct, forbid_unknown_fields=True):
    """A key for a program."""

    name: KeyName
    scopes: Scopes
    expires_at: (
        Annotated[
            datetime,
            Meta(tz=True, description="Never unless given.", examples=["2099-05-10T09:30:00Z"]),
        ]
        | None
    ) = None


class ApiKeyOut(msgspec.Struct, omit_defaults=True):
    """A key for a program; `key` is there only when it is made."""

    id: Id
    name: KeyName
    scopes: Scopes
    created_at: Instant
    expires_at: Annotated[datetime | None, Meta(examples=["2027-05-10T09:30:00Z"])]
    last_used_at: Annotated[datetime | None, Meta(description="To the hour.", examples=[None])]
    key: Annotated[str, Meta(description="Shown once.", examples=[KEY_EXAMPLE])] | None = None

    @classmethod
    def of(cls, row: ApiKey, key: str | None = None) -> "ApiKeyOut":
        return cls(row.id, row.name, row.scopes, row.created_at, row.expires_at, row.last_used_at, key)


class ApiKeyPage(msgspec.Struct):
    """All of them, the newest first."""

    items: list[ApiKeyOut]
    next_cursor: OnlyPage = None
