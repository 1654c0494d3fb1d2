"""How often each call may be made, beside the limits that hold for all calls.

Written beside the call as `@endpoint(…, throttle=LOGIN)`. All amounts are times `OUTLAY_LIMIT_FACTOR`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from falcon.asgi import Request

from core.queries.users import account_key
from core.throttling.delays import Delay
from core.throttling.windows import Window

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400

KNOWN_PLACE_S = 30 * DAY_S
"""As long as a refresh token lives: from where somebody has logged in within that time, they do so again."""

CHALLENGE_S = 5 * MINUTE_S
"""In which a code completes a login that has begun with the right password."""

PLACE_DELAY = Delay("place", free=5, longest_s=60, forget_s=15 * MINUTE_S)
"""Wrong passwords of one account from one place: five in a row are typing errors, then guessing."""

ACCOUNT_DELAY = Delay("account", free=20, longest_s=60, forget_s=15 * MINUTE_S)
"""The same from all places that the account is not known to be used from, against guessing from many."""

PUBLIC = Window("public", 600, MINUTE_S)
"""Calls without a token that is good for them, from one place; a hundred people behind one address make some
ten a minute."""

PASSWORDS_AT_ONCE = 4
"""Of one place that wait for the work on a password: a tenth of those that may wait in all, so no place alone
fills the queue, and others wait half a second for it at most."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """What a call is limited by: where it comes from, who makes it, which account it names."""

    per_place: tuple[Window, ...] = ()
    per_user: tuple[Window, ...] = ()
    per_account: tuple[Window, ...] = ()
    account_of: Callable[[Request], str | None] | None = None
    challenge_of: Callable[[Request], str] | None = None
    """Of a call that completes a login."""
    delays_failures: bool = False
    """Whether refused credentials make the next attempt for the account wait."""
    has_password: bool = False
    """Whether the call works on a password, so that a place makes `PASSWORDS_AT_ONCE` at once."""


def named(*fields: str) -> Callable[[Request], str | None]:
    """The account that the body names in one of these fields."""

    def account_of(req: Request) -> str | None:
        body = getattr(req.context, "json", None) or getattr(req.context, "form", None)
        names = (getattr(body, field, None) for field in fields)
        return next((account_key(name) for name in names if isinstance(name, str)), None)

    return account_of


def named_for_password(req: Request) -> str | None:
    """The account of whoever shows a password: what refreshes says nothing of the account that it names."""
    return named("username")(req) if req.context.form.grant_type == "password" else None


LOGIN = Throttle(
    # Each costs a quarter of a second of a core. An office behind one address logs in within some minutes.
    per_place=(Window("login", 60, MINUTE_S), Window("login-hourly", 600, HOUR_S)),
    account_of=named("login"),
    delays_failures=True,
    has_password=True,
)

TOKEN = replace(LOGIN, account_of=named_for_password)

# Has the attempts of the login that it completes, five a challenge, and those of the account's codes.
SECOND_FACTOR = Throttle(per_place=LOGIN.per_place, challenge_of=lambda req: str(req.context.json.challenge))

PASSKEY_LOGIN = Throttle(per_place=LOGIN.per_place)
PASSKEY_OPTIONS = Throttle(per_place=(Window("passkey", 60, MINUTE_S),))

# Each begins with a row that waits for the user to come back, and ends with calls to the provider.
OIDC_BEGINNING = Throttle(per_place=(Window("oidc", 60, MINUTE_S),))
OIDC_LOGIN = Throttle(per_place=LOGIN.per_place)

# A device asks every ten minutes: three thousand of them behind one address.
REFRESH = Throttle(per_place=(Window("refresh", 300, MINUTE_S),))

# A family or a class behind one address, in an hour; each gets a mail.
REGISTRATION = Throttle(per_place=(Window("register", 20, HOUR_S),), has_password=True)

# A mail each. Whoever asks for somebody else only fills their mailbox with links that work, so they are never
# locked out by it; three are enough for a mail that is late.
PASSWORD_RESET = Throttle(
    per_place=(Window("reset", 10, HOUR_S),),
    per_account=(Window("reset-account", 3, HOUR_S),),
    account_of=named("email", "login"),
)

# Tokens of mails cannot be guessed; this only keeps the trying cheap.
MAILED_TOKEN = Throttle(per_place=(Window("mailed-token", 30, MINUTE_S),))

# A mail each, to an address that may be somebody else's.
VERIFICATION_MAIL = Throttle(per_user=(Window("verify", 5, HOUR_S),))

# Mails to strangers. A user invites a large group in a day, a place two of them in an hour, however many
# accounts are made behind it. How many an address is sent is counted by `core/services/invitations.py`, where
# it is known that they are sent.
INVITATION = Throttle(
    per_place=(Window("invite-place", 200, HOUR_S),), per_user=(Window("invite", 100, DAY_S),)
)

# Tokens of invitations cannot be guessed either. The largest group accepts at once, in one room; a user has
# some invitations.
INVITATION_ANSWER = Throttle(
    per_place=(Window("invitation-answer-place", 100, MINUTE_S),),
    per_user=(Window("invitation-answer", 20, MINUTE_S),),
)

# A ticket each time that a WebSocket is opened anew; a client that does so all the time is broken.
TICKET = Throttle(per_user=(Window("ticket", 60, MINUTE_S),))

# With a stolen token one could guess the password or a code. Whoever sets up all that guards an account is
# asked six times in a row.
PASSWORD_CHECK = Throttle(per_user=(Window("password-check", 10, 15 * MINUTE_S),), has_password=True)

# Has us send something to an address of the user's choice.
OUTGOING_TEST = Throttle(per_user=(Window("outgoing-test", 30, HOUR_S),))
