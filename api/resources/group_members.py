from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.resources.groups import TAG
from api.schemas.groups import MemberIn, MemberOut, MemberPage, MemberPatch, MemberQuery
from core.errors import NotFound
from core.queries.groups import GroupScope, MemberRecord, open_group
from core.services import group_members


class GroupMembers:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=MemberQuery, answers={200: MemberPage})
    async def on_get(self, req: Request, resp: Response, group_id: UUID) -> None:
        """List the members of a group, or those who have left it."""
        user_id = req.context.principal.user_id
        is_former = req.context.query.former

        def page(rows: Connection) -> Answer:
            scope = open_group(rows, user_id=user_id, group_id=group_id)
            found = (one for one in scope.members.values() if (one.left_at is not None) == is_former)
            return ok(MemberPage([MemberOut.of(member, me=scope.me) for member in found]))

        (await self._transactions.read_rows(page)).send(resp)

    @endpoint(TAG, json=MemberIn, answers={201: MemberOut}, problems=(403,))
    async def on_post(self, req: Request, resp: Response, group_id: UUID) -> None:
        """Add a member without an account, as an admin."""
        user_id = req.context.principal.user_id
        new: MemberIn = req.context.json

        def add(session: Session) -> Answer:
            member = group_members.add_member(
                session, user_id=user_id, group_id=group_id, display_name=new.display_name, role=new.role
            )
            scope = open_group(session, user_id=user_id, group_id=group_id)
            location = f"/v1/groups/{group_id}/members/{member.id}"
            return created(MemberOut.of(member, me=scope.me), location=location, version=member.version)

        (await self._transactions.post(req, user_id, add)).send(resp)


class OneGroupMember:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: MemberOut})
    async def on_get(self, req: Request, resp: Response, group_id: UUID, member_id: UUID) -> None:
        """Read a member, also one who has left."""
        user_id = req.context.principal.user_id

        def read(rows: Connection) -> Answer:
            scope = open_group(rows, user_id=user_id, group_id=group_id)
            member = scope.members.get(member_id)
            if member is None:
                raise NotFound("no such member")
            return _answer(scope, member)

        (await self._transactions.read_rows(read)).send(resp)

    @endpoint(TAG, json=MemberPatch, answers={200: MemberOut}, problems=(403,))
    async def on_patch(self, req: Request, resp: Response, group_id: UUID, member_id: UUID) -> None:
        """Change a member.

        Everybody chooses their own name and whether their shares are mirrored; admins name those without an
        account, and give roles up to their own.
        """
        user_id = req.context.principal.user_id
        changes = req.context.json.to_changes()

        def change(session: Session) -> Answer:
            member = group_members.change_member(
                session,
                user_id=user_id,
                group_id=group_id,
                member_id=member_id,
                changes=changes,
                expected_versions=expected_versions(req),
            )
            return _answer(open_group(session, user_id=user_id, group_id=group_id), member)

        (await self._transactions.write(change)).send(resp)

    @endpoint(TAG, answers={204: None}, problems=(403,))
    async def on_delete(self, req: Request, resp: Response, group_id: UUID, member_id: UUID) -> None:
        """Leave a group, or remove a member as an admin; what is unsettled is a conflict."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: group_members.remove_member(
                session,
                user_id=user_id,
                group_id=group_id,
                member_id=member_id,
                expected_versions=expected_versions(req),
            )
        )
        no_content().send(resp)


def _answer(scope: GroupScope, member: MemberRecord) -> Answer:
    return ok(MemberOut.of(member, me=scope.me), version=member.version)
