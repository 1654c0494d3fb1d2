"""The one table of URLs."""

from typing import Any

import falcon.asgi

from api.collaborators import Collaborators
from api.resources.expenses import ExpenseRestoration, Expenses, ExpensesBulk, OneExpense
from api.resources.health import Health


def add_routes(app: falcon.asgi.App[Any, Any], collaborators: Collaborators) -> None:
    health = Health(collaborators)
    app.add_route("/healthz", health)
    app.add_route("/readyz", health, suffix="ready")

    for template, resource in v1_routes(collaborators):
        app.add_route(f"/v1{template}", resource)


def v1_routes(collaborators: Collaborators) -> list[tuple[str, Any]]:
    return [
        ("/expenses", Expenses(collaborators)),
        ("/expenses/bulk", ExpensesBulk(collaborators)),
        ("/expenses/{expense_id:uuid}", OneExpense(collaborators)),
        ("/expenses/{expense_id:uuid}/restore", ExpenseRestoration(collaborators)),
    ]
