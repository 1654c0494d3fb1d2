"""A stranger, a former member and a viewer meet every call of a group.

All are asked of the OpenAPI document, so that calls which are added later are covered too.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from core.database import Database
from core.models import GroupExpense
from tests.api.calls import one_of_each
from tests.api.groups import MadeGroup, former_member, join, viewer
from tests.api.test_isolation import Document
from tests.cast import Cast

PREFIX = "/v1/groups/{group_id}"

ADMINS_ONLY = {
    ("get", f"{PREFIX}/invitations"),
    ("get", f"{PREFIX}/invitations/{{invitation_id}}"),
}
"""What a viewer may not read: members see each other's names, but not whose address is invited."""

OWN = {
    ("patch", f"{PREFIX}/members/{{member_id}}"),
    ("delete", f"{PREFIX}/members/{{member_id}}"),
}
"""What everybody may do to their own membership."""


@pytest.fixture
def document(client: httpx.Client) -> Document:
    return Document(client)


@pytest.fixture
def ids(cast: Cast, database: Database) -> dict[str, str]:
    """Of things of the owner's; the expense counts as posted, so that members may leave."""
    ids = one_of_each(cast.owner.client, database)
    with database.transaction() as session:
        session.execute(update(GroupExpense).values(posted_version=GroupExpense.version))
    return ids


@pytest.fixture
def group(cast: Cast, ids: dict[str, str]) -> MadeGroup:
    return MadeGroup(ids["group_id"], {})


def calls_of_a_group(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    found = [call for call in document.calls() if call[1].startswith(PREFIX)]
    assert len(found) >= 12
    yield from found


def test_a_stranger_and_a_former_member_find_nothing(
    cast: Cast, document: Document, ids: dict[str, str], group: MadeGroup
) -> None:
    former_member(cast.owner, group, cast.member)
    for method, path, operation in calls_of_a_group(document):
        for person in (cast.stranger, cast.member):
            answer = person.client.request(method, path.format(**ids), **document.body(operation))
            assert answer.status_code == 404, f"{person.username} {method} {path}: {answer.text}"
            assert answer.json() == {"title": "Not Found", "status": 404, "detail": "no such group"}


def test_a_viewer_reads_everything_and_writes_nothing(
    cast: Cast, document: Document, ids: dict[str, str], group: MadeGroup
) -> None:
    viewer(cast.owner, group, cast.member)
    for method, path, operation in calls_of_a_group(document):
        answer = cast.member.client.request(method, path.format(**ids), **document.body(operation))
        may = method == "get" and (method, path) not in ADMINS_ONLY
        assert answer.status_code == (200 if may else 403), f"{method} {path}: {answer.text}"


def test_everybody_sees_to_their_own_membership(
    cast: Cast, document: Document, ids: dict[str, str], group: MadeGroup
) -> None:
    for role in ("viewer", "member", "admin"):
        mine = join(cast.owner, group.id, cast.member, role=role)
        for method, path, _operation in sorted(
            calls_of_a_group(document), key=lambda call: call[0] == "delete"
        ):
            if (method, path) not in OWN:
                continue
            body = {"json": {"display_name": "Me", "mirror_expenses": False}} if method == "patch" else {}
            own = re.sub(r"{member_id}", mine, path).format(**ids)
            assert cast.member.client.request(method, own, **body).is_success, f"{role} {method} {path}"
        assert cast.member.client.get(group.path).status_code == 404
