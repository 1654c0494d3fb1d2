"""Who may have a file: its owner, with a token, and whoever has a signed link of theirs."""

from uuid import UUID

from falcon.asgi import Request

from api.authentication import Authentication
from core import clock
from core.downloads import Downloads


async def owner_of_file(req: Request, authentication: Authentication, downloads: Downloads) -> UUID:
    """The user whose file is asked for; the query is a `DownloadQuery`.

    Raises:
        Unauthenticated: neither a valid token nor a link.
        NotFound: a link that is none of ours, or has run out.
    """
    query = req.context.query
    if query.expires is None and query.signature is None:
        return (await authentication.principal_of(req)).user_id
    return downloads.owner(
        # As it was written: another spelling of the id has another signature.
        req.path,
        expires=query.expires or "",
        signature=query.signature or "",
        now=clock.now(),
    )
