"""One-time codes (RFC 6238) as the second factor of a login, and recovery codes that stand in for them."""

import base64
import hmac
import secrets
from dataclasses import dataclass, field
from uuid import UUID

import pyotp
from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound, invalid
from core.ids import new_id
from core.models import RecoveryCode, SecondFactor
from core.queries.second_factors import load_second_factor
from core.security import derive_key, fingerprint, hash_token
from core.services.account_changes import tell_of_change
from core.services.dialects import insert_into
from core.services.locks import lock_account

ISSUER = "Outlay"

SECRET_BYTES = 20
"""As long as the digest of HMAC-SHA-1, which is what authenticator apps compute (RFC 4226, section 4)."""

TOLERATED_STEPS = 1
"""Of 30 seconds, either way: for clocks that differ, and for typing (RFC 6238, section 5.2)."""

RECOVERY_CODES = 10
RECOVERY_BYTES = 15
"""120 bits, so a plain digest is enough (ASVS 6.5.2); 24 letters and digits."""

WRONG_CODE = "not the present code"


@dataclass(frozen=True, slots=True)
class NewFactor:
    """What an authenticator app is given, as text and as the address in a QR code."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


def begin_second_factor(session: Session, *, secret: str, user_id: UUID) -> NewFactor:
    """A secret for an authenticator app. Logins ask for its codes once one has been confirmed.

    Raises:
        Conflict: there is a second factor already.
    """
    user = lock_account(session, user_id=user_id)
    found = load_second_factor(session, user_id=user_id)
    if found is not None and found.confirmed_at is not None:
        raise Conflict("there is a second factor already; end it first")
    issue = new_id()
    values = {
        "user_id": user_id,
        "issue": issue,
        "created_at": clock.now(),
        "confirmed_at": None,
        "last_step": 0,
    }
    session.execute(
        insert_into(session, SecondFactor)
        .values(values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values)
    )
    text = _secret(secret, user_id, issue)
    uri = pyotp.TOTP(text).provisioning_uri(name=user.username, issuer_name=ISSUER)
    return NewFactor(text, uri)


def confirm_second_factor(session: Session, *, secret: str, user_id: UUID, code: str) -> list[str]:
    """From now on logins ask for a code. Answers the recovery codes, which nobody sees again.

    Raises:
        NotFound: none was begun.
        Conflict: it is confirmed already.
        InvalidInput: with the pointer `/code`.
    """
    lock_account(session, user_id=user_id)
    found = load_second_factor(session, user_id=user_id)
    if found is None:
        raise NotFound("no second factor was begun")
    if found.confirmed_at is not None:
        raise Conflict("it is confirmed already")
    if not _spend_code(session, secret, found, code):
        raise invalid("/code", WRONG_CODE)
    session.execute(
        update(SecondFactor).where(SecondFactor.user_id == user_id).values(confirmed_at=clock.now())
    )
    tell_of_change(session, user_id=user_id, change="second_factor_on")
    return _issue_recovery_codes(session, user_id)


def renew_recovery_codes(session: Session, *, secret: str, user_id: UUID, code: str) -> list[str]:
    """New recovery codes in place of the old ones.

    Raises:
        NotFound: there is no second factor.
        InvalidInput: with the pointer `/code`.
    """
    _check_code(session, secret=secret, user_id=user_id, code=code)
    tell_of_change(session, user_id=user_id, change="recovery_codes")
    return _issue_recovery_codes(session, user_id)


def end_second_factor(session: Session, *, secret: str, user_id: UUID, code: str) -> None:
    """Logins ask for the password only.

    Raises:
        NotFound: there is no second factor.
        InvalidInput: with the pointer `/code`.
    """
    _check_code(session, secret=secret, user_id=user_id, code=code)
    forget_second_factor(session, user_id=user_id)


def forget_second_factor(session: Session, *, user_id: UUID) -> None:
    """The same without a code, and the user is told. Whoever calls this knows that it may be.

    Raises:
        NotFound: there is no second factor.
    """
    lock_account(session, user_id=user_id)
    _check_exists(session, user_id)
    session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    tell_of_change(session, user_id=user_id, change="second_factor_off")


def spend_code(session: Session, *, secret: str, user_id: UUID, code: str) -> bool:
    """Take a one-time or a recovery code, each of which counts once."""
    lock_account(session, user_id=user_id)
    found = load_second_factor(session, user_id=user_id)
    if found is None or found.confirmed_at is None:
        return False
    return _spend_code(session, secret, found, code) or _spend_recovery_code(session, user_id, code)


def _check_exists(session: Session, user_id: UUID) -> None:
    found = load_second_factor(session, user_id=user_id)
    if found is None or found.confirmed_at is None:
        raise NotFound("there is no second factor")


def _check_code(session: Session, *, secret: str, user_id: UUID, code: str) -> None:
    _check_exists(session, user_id)
    if not spend_code(session, secret=secret, user_id=user_id, code=code):
        raise invalid("/code", WRONG_CODE)


def _spend_code(session: Session, secret: str, factor: SecondFactor, code: str) -> bool:
    digits = "".join(code.split())
    if not (digits.isascii() and digits.isdigit()):
        return False
    totp = pyotp.TOTP(_secret(secret, factor.user_id, factor.issue))
    now_step = totp.timecode(clock.now())
    for step in range(now_step - TOLERATED_STEPS, now_step + TOLERATED_STEPS + 1):
        if step > factor.last_step and hmac.compare_digest(totp.generate_otp(step), digits):
            session.execute(
                update(SecondFactor).where(SecondFactor.user_id == factor.user_id).values(last_step=step)
            )
            return True
    return False


def _spend_recovery_code(session: Session, user_id: UUID, code: str) -> bool:
    spent = session.scalar(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.code_hash == _hash_code(code),
            RecoveryCode.spent_at.is_(None),
        )
        .values(spent_at=clock.now())
        .returning(RecoveryCode.user_id)
    )
    return spent is not None


def _issue_recovery_codes(session: Session, user_id: UUID) -> list[str]:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    session.execute(
        insert(RecoveryCode), [{"user_id": user_id, "code_hash": _hash_code(code)} for code in codes]
    )
    return codes


def _new_code() -> str:
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _hash_code(code: str) -> bytes:
    """However somebody types it."""
    return hash_token("".join(letter for letter in code.lower() if letter.isalnum()).encode())


def _secret(secret: str, user_id: UUID, issue: UUID) -> str:
    """In base32, as apps take it. It is in no backup and no dump of the database."""
    mac = fingerprint(derive_key(secret, "second-factor"), user_id.bytes, issue.bytes)
    return base64.b32encode(mac[:SECRET_BYTES]).decode()
