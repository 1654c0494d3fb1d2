"""Passkeys (WebAuthn): a device that has asked for a finger or a PIN logs its owner in by a signature.

The token of a challenge is what the device signs. Nobody is named when a login begins: the device knows whose
passkey it holds, and says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import webauthn
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes, options_to_json_dict
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from core import clock
from core.errors import Conflict, NotFound, invalid
from core.ids import new_id
from core.logging import get_logger
from core.models import Passkey
from core.queries.passkeys import passkeys_of
from core.services.account_changes import tell_of_change
from core.services.challenges import LIFETIME, issue_challenge, take_challenge
from core.services.credentials import check_can_log_in
from core.services.dialects import insert_into
from core.services.locks import lock_account

T = TypeVar("T")

NAME = "Outlay"

MAX_PASSKEYS = 20
"""A user; more than anybody has devices. Each is named when another one is made."""

MAX_CREDENTIAL_ID_BYTES = 1_023
"""WebAuthn, section 4."""

TIMEOUT_MS = int(LIFETIME.total_seconds() * 1_000)

REFUSAL = "not a passkey of this account, or not for this challenge"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Site:
    """Whose passkeys they are: the domain, and the web origins or apps that may ask for them."""

    domain: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the device is to be asked, and the token to answer with."""

    challenge: str
    options: Mapping[str, Any]


def ask_for_new_passkey(session: Session, *, site: Site, user_id: UUID) -> Asked:
    """What `navigator.credentials.create` takes.

    Raises:
        Conflict: there are too many already.
    """
    user = lock_account(session, user_id=user_id)
    present = passkeys_of(session, user_id=user_id)
    if len(present) >= MAX_PASSKEYS:
        raise Conflict(f"there are {MAX_PASSKEYS} passkeys already; delete one first")
    challenge = issue_challenge(session, purpose="new_passkey", user_id=user_id)
    options = webauthn.generate_registration_options(
        rp_id=site.domain,
        rp_name=NAME,
        user_id=user_id.bytes,
        user_name=user.username,
        user_display_name=user.display_name,
        challenge=base64url_to_bytes(challenge),
        timeout=TIMEOUT_MS,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in present],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    return Asked(challenge, options_to_json_dict(options))


def add_passkey(
    session: Session, *, site: Site, user_id: UUID, challenge: str, name: str, credential: Mapping[str, Any]
) -> Passkey:
    """What the device has made becomes a way to log in.

    Raises:
        InvalidInput: with the pointer `/challenge` or `/credential`.
        Conflict: it is known already.
    """
    taken = take_challenge(session, purpose="new_passkey", token=challenge)
    if taken is None or taken.user_id != user_id:
        raise invalid("/challenge", "not one of yours, or an expired one")
    verified = _verified(
        lambda: webauthn.verify_registration_response(
            credential=dict(credential),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.domain,
            expected_origin=list(site.origins),
            require_user_verification=True,
        )
    )
    if verified is None or len(verified.credential_id) > MAX_CREDENTIAL_ID_BYTES:
        raise invalid("/credential", "not what the challenge asks for")
    row: Passkey | None = session.scalar(
        insert_into(session, Passkey)
        .values(
            user_id=user_id,
            id=new_id(),
            name=name,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            created_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(Passkey)
    )
    if row is None:
        raise Conflict("the passkey is known already")
    tell_of_change(session, user_id=user_id, change="passkey", name=name)
    return row


def delete_passkey(session: Session, *, user_id: UUID, passkey_id: UUID) -> None:
    """Log in with the device no more.

    Raises:
        NotFound
        Conflict: there would be no way left to log in.
    """
    user = lock_account(session, user_id=user_id)
    is_it = (Passkey.user_id == user_id, Passkey.id == passkey_id)
    name = session.scalar(delete(Passkey).where(*is_it).returning(Passkey.name))
    if name is None:
        raise NotFound("no such passkey")
    check_can_log_in(session, user)
    tell_of_change(session, user_id=user_id, change="passkey_deleted", name=name)


def ask_for_passkey(session: Session, *, site: Site) -> Asked:
    """What `navigator.credentials.get` takes."""
    challenge = issue_challenge(session, purpose="passkey")
    options = webauthn.generate_authentication_options(
        rp_id=site.domain,
        challenge=base64url_to_bytes(challenge),
        timeout=TIMEOUT_MS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Asked(challenge, options_to_json_dict(options))


def take_passkey(
    session: Session, *, site: Site, challenge: str, credential: Mapping[str, Any]
) -> UUID | None:
    """Who logs in, as the signature proves; None when it proves nothing. The challenge is used up."""
    if take_challenge(session, purpose="passkey", token=challenge) is None:
        return None
    row = _passkey_of(session, credential)
    if row is None:
        return None
    verified = _verified(
        lambda: webauthn.verify_authentication_response(
            credential=dict(credential),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.domain,
            expected_origin=list(site.origins),
            credential_public_key=row.public_key,
            # A count that does not grow is that of a copy; the library refuses it.
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    )
    if verified is None:
        return None
    session.execute(
        update(Passkey)
        .where(Passkey.user_id == row.user_id, Passkey.id == row.id)
        .values(sign_count=verified.new_sign_count, last_used_at=clock.now())
    )
    return row.user_id


def _passkey_of(session: Session, credential: Mapping[str, Any]) -> Passkey | None:
    """By its id, of somebody who may log in; the account is locked, so what ends all logins ends this one."""
    try:
        credential_id = base64url_to_bytes(str(credential.get("rawId", "")))
    except ValueError:
        return None
    is_it = Passkey.credential_id == credential_id
    user_id = session.scalar(select(Passkey.user_id).where(is_it))
    if user_id is None or not lock_account(session, user_id=user_id).is_active:
        return None
    return session.scalar(select(Passkey).where(is_it).with_for_update())


def _verified(verify: Callable[[], T]) -> T | None:
    """What the library has verified; None for whatever it does not take."""
    try:
        return verify()
    except WebAuthnException as error:
        log.info("passkey.refused", reason=error)
    except Exception as error:  # noqa: BLE001 - it reads what anybody may send, and breaks in many ways
        log.info("passkey.malformed", error=type(error).__name__)
    return None
