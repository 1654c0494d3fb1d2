"""Asking for the password once more, before what guards an account is changed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from api.collaborators import Collaborators
from core.errors import Forbidden
from core.queries.users import credentials_of
from core.security import NO_PASSWORD
from core.services.credentials import check_unchanged

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Somebody has shown to know the password that belongs to this hash."""

    user_id: UUID
    password_hash: str = field(repr=False)

    def check(self, session: Session) -> None:
        """Refuse what is done if the password is another one by now.

        Raises:
            Forbidden
        """
        check_unchanged(session, user_id=self.user_id, password_hash=self.password_hash)

    def still(self, service: Callable[[Session], T]) -> Callable[[Session], T]:
        """The service, which is refused if the password is another one by then."""

        def checked(session: Session) -> T:
            self.check(session)
            return service(session)

        return checked


async def confirm_password(collaborators: Collaborators, *, user_id: UUID, password: str) -> Confirmation:
    """Let pass only whoever knows the password, not whoever has found a device that is logged in.

    Raises:
        Forbidden: it is wrong. Not 401, which tells clients to refresh their token and try again.
    """
    credentials = await collaborators.transactions.read(
        lambda session: credentials_of(session, user_id=user_id)
    )
    if credentials.password_hash == NO_PASSWORD:
        raise Forbidden("the account has no password: have a mail sent by /v1/auth/password-reset to set one")
    if not await collaborators.passwords.is_password(password, credentials.password_hash):
        raise Forbidden("the password is wrong")
    return Confirmation(user_id, credentials.password_hash)


async def write_with_password(
    collaborators: Collaborators, *, user_id: UUID, password: str, service: Callable[[Session], T]
) -> T:
    """The result of a service that only whoever knows the password has done, as by `confirm_password`.

    Raises:
        Forbidden
    """
    confirmed = await confirm_password(collaborators, user_id=user_id, password=password)
    return await collaborators.transactions.write(confirmed.still(service))
