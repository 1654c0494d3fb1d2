"""A client that keeps a full copy of its data by `GET /v1/changes`."""

from typing import Any

import httpx

from tests.api.calls import read

LISTS = {
    "category": "/v1/categories",
    "budget": "/v1/budgets",
    "recurring_expense": "/v1/recurring-expenses",
    "expense": "/v1/expenses",
}

Item = dict[str, Any]


class Copy:
    def __init__(self, client: httpx.Client, *, limit: int | None = None) -> None:
        self._client = client
        self._query = {} if limit is None else {"limit": limit}
        self.token: str | None = None
        self.things: dict[str, dict[str, Item]] = {kind: {} for kind in LISTS}
        self.last: list[Item] = []

    def step(self) -> bool:
        """Ask once and apply what comes; answers whether there is more."""
        since = {} if self.token is None else {"since": self.token}
        answer = read(self._client, "/v1/changes", **since, **self._query)
        self.last = answer["items"]
        for item in self.last:
            things = self.things[item["type"]]
            if item["deleted"]:
                assert item["data"] is None
                things.pop(item["id"], None)
            else:
                assert item["data"]["id"] == item["id"]
                things[item["id"]] = item["data"]
        self.token = answer["next"]
        return bool(answer["has_more"])

    def sync(self) -> list[Item]:
        """Ask until there is no more; answers all that came."""
        came = []
        has_more = True
        while has_more:
            has_more = self.step()
            came += self.last
        return came

    def assert_complete(self) -> None:
        """The copy is what the lists say."""
        for kind, path in LISTS.items():
            listed = everything(self._client, path)
            if kind == "budget":
                listed += everything(self._client, path, archived=True)
            assert _by_id(self.things[kind].values()) == _by_id(listed)


def everything(client: httpx.Client, path: str, **query: Any) -> list[Item]:
    """All pages of a list."""
    found: list[Item] = []
    while True:
        page = read(client, path, limit=200, **query)
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def _by_id(items: Any) -> dict[str, Item]:
    """A budget's figures are of the moment when they were read."""
    return {one["id"]: {name: value for name, value in one.items() if name != "current"} for one in items}
