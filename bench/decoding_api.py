"""The floor for the API: the same framework and server, decoding the body and answering, nothing else."""

import sys
from typing import Any
from uuid import UUID

import falcon
import falcon.asgi
import msgspec
import uvicorn


class ExpenseIn(msgspec.Struct):
    amount: str
    category_id: UUID
    payee: str
    spent_on: str


class Expenses:
    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        given = msgspec.json.decode(await req.stream.read(), type=ExpenseIn)
        resp.status = falcon.HTTP_201
        resp.data = msgspec.json.encode(given)

    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.data = b"{}"


def create_app() -> "falcon.asgi.App[Any, Any]":
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    app.add_route("/v1/expenses", Expenses())
    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(), port=int(sys.argv[1]), loop="uvloop", http="httptools", ws="none", log_config=None
    )
