"""Accounts, tokens and sessions as clients write and read them."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import PLAIN, Currency, Id, Instant, OnlyPage
from core.mail_tokens import TOKEN_CHARACTERS
from core.models import LoginSession, User
from core.security import MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES
from core.services.accounts import MAX_EMAIL_CHARACTERS, NewAccount

MAX_LOGIN_CHARACTERS = 254
"""No user name and no e-mail address is longer."""

MAX_GIVEN_PASSWORD_CHARACTERS = 1_000
"""What is longer than a password can be is merely wrong, up to this."""

Username = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=40,
        pattern=r"^[A-Za-z0-9._-]+$(?!\n)",
        description="Letters, digits, dot, underscore and hyphen; unique whatever the case.",
        examples=["ada"],
    ),
]
Email = Annotated[
    str,
    Meta(
        max_length=MAX_EMAIL_CHARACTERS,
        description="Unique whatever the case.",
        examples=["ada@example.org"],
        extra_json_schema={"format": "email"},
    ),
]
NewPassword = Annotated[
    str,
    Meta(
        description=f"{MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes in UTF-8, hard to guess, no NUL.",
        examples=["four words and a number: 7"],
        # Bytes are counted by the service; no text of another length can have as many.
        extra_json_schema={"minLength": MIN_PASSWORD_BYTES // 4 + 1, "maxLength": MAX_PASSWORD_BYTES},
    ),
]
Password = Annotated[
    str, Meta(max_length=MAX_GIVEN_PASSWORD_CHARACTERS, examples=["four words and a number: 7"])
]
Login = Annotated[
    str,
    Meta(
        max_length=MAX_LOGIN_CHARACTERS,
        pattern=PLAIN,
        description="User name or e-mail address.",
        examples=["ada"],
    ),
]
DisplayName = Annotated[str, Meta(min_length=1, max_length=100, pattern=PLAIN, examples=["Ada Lovelace"])]
Timezone = Annotated[
    str, Meta(max_length=64, description="IANA time zone; days are local.", examples=["Europe/Berlin"])
]
RefreshTokenText = Annotated[
    str, Meta(max_length=200, description="As it was given; it is spent by this. Only the newest is valid.")
]
JWT_EXAMPLE = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJvdXRsYXkifQ.c2lnbmF0dXJl"
VERIFICATION_EXAMPLE = "AZjzpWwefUKbB14vikHD1moDQIk.CmwdeL4pBw9bQk3oX0mN5rT8yLq2vJ7hGc4fWb6dZa8"
REFRESH_EXAMPLE = "AZjzpWwefUKbB14vikHD1gGY86VsHn1CmwdeL4pBw9bQk3oX0mN5rT8yLq2vJ7hGc4fWb6dZa9eSu1iPxKt_Yw"


class RegistrationIn(msgspec.Struct, forbid_unknown_fields=True):
    """A new account. `display_name` defaults to the user name."""

    username: Username
    email: Email
    password: NewPassword
    display_name: DisplayName | None = None
    timezone: Timezone = "UTC"
    currency: Currency = "EUR"

    def to_account(self) -> NewAccount:
        return NewAccount(
            username=self.username,
            email=self.email,
            password=self.password,
            display_name=self.display_name,
            timezone=self.timezone,
            currency=self.currency,
        )


class ProfilePatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change."""

    display_name: DisplayName | UnsetType = UNSET
    timezone: Timezone | UnsetType = UNSET
    currency: Annotated[Currency, Meta(description="The default of new expenses.")] | UnsetType = UNSET

    def to_changes(self) -> dict[str, str]:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in fields.items() if value is not UNSET}


class AccountDeletionIn(msgspec.Struct, forbid_unknown_fields=True):
    password: Password


class VerificationIn(msgspec.Struct, forbid_unknown_fields=True):
    token: Annotated[
        str,
        Meta(
            max_length=2 * TOKEN_CHARACTERS,
            description="The code of the mail, as it stands there.",
            examples=[VERIFICATION_EXAMPLE],
        ),
    ]


class UserOut(msgspec.Struct):
    """The caller's account."""

    HAS_ETAG: ClassVar = True

    id: Id
    username: Username
    email: Annotated[str, Meta(examples=["ada@example.org"])]
    email_verified: Annotated[
        bool, Meta(description="The user has shown to read mail to the address.", examples=[True])
    ]
    display_name: DisplayName
    timezone: Timezone
    currency: Annotated[Currency, Meta(description="The default of new expenses.")]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, user: User) -> "UserOut":
        return cls(
            user.id,
            user.username,
            user.email,
            user.email_verified_at is not None,
            user.display_name,
            user.timezone,
            user.currency,
            user.created_at,
            user.updated_at,
        )


class LoginIn(msgspec.Struct, forbid_unknown_fields=True):
    login: Login
    password: Password


class RefreshIn(msgspec.Struct, forbid_unknown_fields=True):
    refresh_token: Annotated[RefreshTokenText, Meta(examples=[REFRESH_EXAMPLE])]


class TokenForm(msgspec.Struct):
    """OAuth 2 token request (RFC 6749, sections 4.3.2 and 6); unknown fields are ignored, as it demands."""

    grant_type: Literal["password", "refresh_token"]
    username: Annotated[Login, Meta(description="User name or e-mail address, with `password`.")] | None = (
        None
    )
    password: Password | None = None
    refresh_token: RefreshTokenText | None = None


class TokensOut(msgspec.Struct):
    """Bearer tokens."""

    access_token: Annotated[str, Meta(description="Opaque to clients.", examples=[JWT_EXAMPLE])]
    expires_in: Annotated[int, Meta(description="Seconds that the access token lives.", examples=[600])]
    refresh_token: Annotated[str, Meta(description="For one use.", examples=[REFRESH_EXAMPLE])]
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of the scheme


class TicketOut(msgspec.Struct):
    """Opens one WebSocket within `expires_in` seconds."""

    ticket: Annotated[str, Meta(examples=[JWT_EXAMPLE])]
    expires_in: Annotated[int, Meta(description="Seconds.", examples=[30])]


class SessionOut(msgspec.Struct):
    """A login on one device."""

    id: Id
    created_at: Instant
    last_used_at: Annotated[Instant, Meta(description="When its tokens were last refreshed.")]
    expires_at: Annotated[
        Instant, Meta(description="Each refresh puts it off.", examples=["2026-06-09T09:30:00.123456Z"])
    ]
    user_agent: Annotated[str, Meta(examples=["Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0"])] | None
    ip_address: Annotated[str, Meta(examples=["192.0.2.7"])] | None
    is_current: Annotated[bool, Meta(description="It is the one that asks.", examples=[True])]

    @classmethod
    def of(cls, row: LoginSession, *, current_id: UUID) -> "SessionOut":
        return cls(
            row.id,
            row.created_at,
            row.last_used_at,
            row.expires_at,
            row.user_agent,
            row.ip_address,
            row.id == current_id,
        )


class SessionPage(msgspec.Struct):
    """All live sessions, the one used last first."""

    items: list[SessionOut]
    next_cursor: OnlyPage = None
