"""Who may have a file: its owner, with a token, and whoever has a signed link of theirs."""

from uuid import UUID

from falcon.asgi import Request

from api.collaborators import Collaborators
from api.transactions import act_for
from core import clock
from core.errors import NotFound
from core.queries.users import is_active_user


async def owner_of_file(req: Request, collaborators: Collaborators) -> UUID:
    """The user whose file is asked for; the query is a `DownloadQuery`.

    Raises:
        Unauthenticated: neither a valid token nor a link.
        NotFound: a link that is none of ours, has run out, or is of an account that is deactivated.
    """
    query = req.context.query
    if query.expires is None and query.signature is None:
        user_id = (await collaborators.authentication.principal_of(req)).user_id
        act_for(user_id)
        return user_id
    user_id = collaborators.downloads.owner(
        # As it was written: another spelling of the id has another signature.
        req.path,
        expires=query.expires or "",
        signature=query.signature or "",
        now=clock.now(),
    )
    act_for(user_id)
    if not await collaborators.transactions.read_rows(lambda rows: is_active_user(rows, user_id=user_id)):
        raise NotFound("no such file")
    return user_id
