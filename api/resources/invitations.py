from functools import partial
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.resources.groups import TAG, group_answer
from api.schemas.groups import GroupOut
from api.schemas.invitations import (
    DeclinedOut,
    InvitationIn,
    InvitationOut,
    InvitationPage,
    InvitationQuery,
    ReceivedInvitationOut,
    ReceivedInvitationPage,
)
from api.throttles import INVITATION, INVITATION_ANSWER
from core.queries.groups import open_group
from core.queries.invitation_letters import INVITATION_PURPOSE
from core.queries.invitations import (
    InvitationRecord,
    ReceivedInvitation,
    list_invitations,
    load_invitation,
    received_invitations,
)
from core.security import derive_token
from core.services import invitation_answers, invitations


class GroupInvitations:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._token_of = _deriving(collaborators)

    @endpoint(TAG, query=InvitationQuery, answers={200: InvitationPage}, problems=(403,))
    async def on_get(self, req: Request, resp: Response, group_id: UUID) -> None:
        """List a group's invitations, the newest first, as an admin: others see names, not addresses."""
        query: InvitationQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(rows: Connection) -> Answer:
            open_group(rows, user_id=user_id, group_id=group_id, least="admin")
            before = None if position is None else position[0]
            found = list_invitations(rows, group_id=group_id, before=before, limit=query.limit + 1)
            shown, cursor = cut_page(found, limit=query.limit, position=lambda one: (one.id,))
            return ok(InvitationPage([InvitationOut.of(record) for record in shown], cursor))

        (await self._transactions.read_rows(page)).send(resp)

    @endpoint(TAG, json=InvitationIn, answers={201: InvitationOut}, problems=(403,), throttle=INVITATION)
    async def on_post(self, req: Request, resp: Response, group_id: UUID) -> None:
        """Invite somebody by mail, as an admin.

        The answer is the same whether or not the address has an account.
        """
        user_id = req.context.principal.user_id
        new = req.context.json.to_new_invitation()

        def invite(session: Session) -> Answer:
            record = invitations.invite_member(
                session, user_id=user_id, group_id=group_id, invitation=new, token_of=self._token_of
            )
            location = f"/v1/groups/{group_id}/invitations/{record.id}"
            return created(InvitationOut.of(record), location=location, version=record.version)

        (await self._transactions.post_all(req, user_id, invite)).send(resp)


class OneGroupInvitation:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: InvitationOut}, problems=(403,))
    async def on_get(self, req: Request, resp: Response, group_id: UUID, invitation_id: UUID) -> None:
        """Read an invitation, as an admin."""
        user_id = req.context.principal.user_id

        def read(rows: Connection) -> Answer:
            open_group(rows, user_id=user_id, group_id=group_id, least="admin")
            return _answer(load_invitation(rows, group_id=group_id, invitation_id=invitation_id))

        (await self._transactions.read_rows(read)).send(resp)

    @endpoint(TAG, answers={204: None}, problems=(403,))
    async def on_delete(self, req: Request, resp: Response, group_id: UUID, invitation_id: UUID) -> None:
        """Revoke an invitation, as an admin."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: invitations.revoke_invitation(
                session,
                user_id=user_id,
                group_id=group_id,
                invitation_id=invitation_id,
                expected_versions=expected_versions(req),
            )
        )
        no_content().send(resp)


class InvitationResending:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._token_of = _deriving(collaborators)

    @endpoint(TAG, answers={200: InvitationOut}, problems=(403,), throttle=INVITATION)
    async def on_post(self, req: Request, resp: Response, group_id: UUID, invitation_id: UUID) -> None:
        """Mail an invitation anew, as an admin; the token of the mail before is dead."""
        user_id = req.context.principal.user_id

        def resend(session: Session) -> Answer:
            record = invitations.resend_invitation(
                session,
                user_id=user_id,
                group_id=group_id,
                invitation_id=invitation_id,
                token_of=self._token_of,
            )
            return _answer(record)

        (await self._transactions.post_all(req, user_id, resend)).send(resp)


class ReceivedInvitations:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._token_of = _deriving(collaborators)

    @endpoint(TAG, query=InvitationQuery, answers={200: ReceivedInvitationPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the pending invitations to one's own address, once it is verified, the oldest first."""
        query: InvitationQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(rows: Connection) -> Answer:
            after = None if position is None else position[0]
            found = received_invitations(rows, user_id=user_id, after=after, limit=query.limit + 1)
            shown, cursor = cut_page(found, limit=query.limit, position=lambda one: (one.invitation.id,))
            return ok(ReceivedInvitationPage([self._view(one) for one in shown], cursor))

        # Of groups that the caller is not in yet.
        (await self._transactions.snapshot_all(page)).send(resp)

    def _view(self, received: ReceivedInvitation) -> ReceivedInvitationOut:
        one = received.invitation
        return ReceivedInvitationOut.of(received, token=self._token_of(one.group_id, one.id, one.issue))


class InvitationAcceptance:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: GroupOut}, throttle=INVITATION_ANSWER)
    async def on_post(self, req: Request, resp: Response, token: str) -> None:
        """Accept an invitation: join its group."""
        user_id = req.context.principal.user_id

        def accept(session: Session) -> Answer:
            scope = invitation_answers.accept_invitation(session, user_id=user_id, token=token)
            return group_answer(scope)

        (await self._transactions.post_all(req, user_id, accept)).send(resp)


class InvitationRefusal:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: DeclinedOut}, throttle=INVITATION_ANSWER)
    async def on_post(self, req: Request, resp: Response, token: str) -> None:
        """Decline an invitation."""
        user_id = req.context.principal.user_id

        def decline(session: Session) -> Answer:
            group = invitation_answers.decline_invitation(session, user_id=user_id, token=token)
            return ok(DeclinedOut.of(group))

        (await self._transactions.post_all(req, user_id, decline)).send(resp)


def _answer(record: InvitationRecord) -> Answer:
    return ok(InvitationOut.of(record), version=record.version)


def _deriving(collaborators: Collaborators) -> invitations.TokenOf:
    derive = partial(derive_token, collaborators.settings.secret, INVITATION_PURPOSE)
    return lambda group_id, invitation_id, issue: derive(str(group_id), str(invitation_id), str(issue))
