"""Asking for the password once more, before what guards an account is changed."""

from uuid import UUID

from api.collaborators import Collaborators
from core.errors import Forbidden
from core.queries.users import credentials_of


async def confirm_password(collaborators: Collaborators, *, user_id: UUID, password: str) -> None:
    """Let pass only whoever knows the password, not whoever has found a device that is logged in.

    Raises:
        Forbidden: it is wrong. Not 401, which tells clients to refresh their token and try again.
    """
    credentials = await collaborators.transactions.read(
        lambda session: credentials_of(session, user_id=user_id)
    )
    if not await collaborators.passwords.is_password(password, credentials.password_hash):
        raise Forbidden("the password is wrong")
