from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.schemas.groups import GroupIn, GroupOut, GroupPage, GroupPatch, GroupQuery
from core.queries.groups import GroupScope, list_groups, open_group
from core.services import groups

TAG = "Groups"


class Groups:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=GroupQuery, answers={200: GroupPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the groups that one is in, the oldest first."""
        query: GroupQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(rows: Connection) -> Answer:
            after = None if position is None else position[0]
            found = list_groups(rows, user_id=user_id, after=after, limit=query.limit + 1)
            shown, cursor = cut_page(found, limit=query.limit, position=lambda scope: (scope.group.id,))
            return ok(GroupPage([GroupOut.of(scope) for scope in shown], cursor))

        (await self._transactions.read_snapshot(page)).send(resp)

    @endpoint(TAG, json=GroupIn, answers={201: GroupOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Create a group, as its owner."""
        user_id = req.context.principal.user_id
        new = req.context.json.to_new_group()

        def create(session: Session) -> Answer:
            scope = groups.create_group(session, user_id=user_id, group=new)
            location = f"/v1/groups/{scope.group.id}"
            return created(GroupOut.of(scope), location=location, version=scope.group.version)

        (await self._transactions.post_all(req, user_id, create)).send(resp)


class OneGroup:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: GroupOut})
    async def on_get(self, req: Request, resp: Response, group_id: UUID) -> None:
        """Read a group."""
        user_id = req.context.principal.user_id
        answer = await self._transactions.read_rows(
            lambda rows: group_answer(open_group(rows, user_id=user_id, group_id=group_id))
        )
        answer.send(resp)

    @endpoint(TAG, json=GroupPatch, answers={200: GroupOut}, problems=(403,))
    async def on_patch(self, req: Request, resp: Response, group_id: UUID) -> None:
        """Change a group, as one of its admins."""
        user_id = req.context.principal.user_id
        changes = req.context.json.to_changes()
        answer = await self._transactions.write(
            lambda session: group_answer(
                groups.change_group(
                    session,
                    user_id=user_id,
                    group_id=group_id,
                    changes=changes,
                    expected_versions=expected_versions(req),
                )
            )
        )
        answer.send(resp)

    @endpoint(TAG, answers={204: None}, problems=(403,))
    async def on_delete(self, req: Request, resp: Response, group_id: UUID) -> None:
        """Delete a group in which everything is settled, as one of its owners."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: groups.delete_group(
                session, user_id=user_id, group_id=group_id, expected_versions=expected_versions(req)
            )
        )
        no_content().send(resp)


def group_answer(scope: GroupScope) -> Answer:
    return ok(GroupOut.of(scope), version=scope.group.version)
