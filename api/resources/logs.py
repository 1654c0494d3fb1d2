"""The newest lines of the logs, for administrators who cannot look at the machine's files."""

from falcon.asgi import Request, Response

from api.answers import ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.resources.administration import TAG
from api.schemas.logs import LogLineOut, LogPage, LogQuery
from core.errors import Conflict
from core.log_files import newest_lines
from core.logging import get_logger

log = get_logger(__name__)


class Logs:
    is_for_admins = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._folder = collaborators.settings.log_folder

    @endpoint(TAG, query=LogQuery, answers={200: LogPage}, problems={409})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Read the newest lines of a log; 409 where no folder is set, so that lines go to stdout only.

        They come from the folder of `OUTLAY_LOG_DIR` on the machine that answers. No more than the newest
        part of a log is searched, so fewer lines than asked for do not mean that there were no others.
        """
        query: LogQuery = req.context.query
        folder = self._folder
        if folder is None:
            raise Conflict("no log folder is configured: OUTLAY_LOG_DIR is not set")

        def read() -> LogPage:
            found = newest_lines(folder, query.name, level=query.level, limit=query.limit)
            return LogPage([LogLineOut.of(line) for line in found])

        try:
            page = await self._transactions.run(read)
        except OSError as error:
            log.error("log.not_read", name=query.name, error=error)  # noqa: TRY400 - it is the machine's fault
            raise Conflict("the log folder cannot be read") from error
        ok(page).send(resp)
