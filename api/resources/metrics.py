from falcon.asgi import Request, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api.collaborators import Collaborators
from api.metrics import Metrics
from api.openapi import Media, endpoint

TAG = "Operation"

EXAMPLE = """# HELP outlay_invariant_failures Differences that the last check has found.
# TYPE outlay_invariant_failures gauge
outlay_invariant_failures{invariant="daily_spending"} 0.0
"""


class MetricsPage:
    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._metrics = Metrics(collaborators.database)

    @endpoint(TAG, answers={200: Media("text/plain", EXAMPLE)}, is_public=True)
    async def on_get(self, _req: Request, resp: Response) -> None:
        """Tell Prometheus of the outbox, of deliveries and of what the nightly checks have found."""
        resp.data = await self._transactions.run(self._metrics.text)
        resp.content_type = CONTENT_TYPE_PLAIN_0_0_4
