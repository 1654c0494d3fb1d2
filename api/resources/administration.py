"""What administrators may do: see who has an account, and whether all is well."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, expected_versions, no_content, ok
from api.audit import origin_of
from api.authentication import MASTER, Principal
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor, encode_cursor
from api.schemas.administration import (
    AccountOut,
    AccountPage,
    AccountQuery,
    AuditEventOut,
    AuditPage,
    AuditQuery,
    BacklogOut,
    BrokenTrail,
    DeadJobOut,
    JobPage,
    JobQuery,
    RightsPatch,
    TrailVerification,
    VerificationQuery,
)
from core.errors import NotFound
from core.logging import get_logger
from core.queries.administration import list_accounts, load_account
from core.queries.audit import (
    START,
    ChainProof,
    Link,
    audited_users,
    list_audit_events,
    trails_of_nobody,
    verify_chain,
)
from core.queries.outbox import backlogs, count_dead_rows, dead_rows
from core.services.accounts import BY_MASTER_KEY, BY_THEMSELVES, NOBODY, delete_account, leave_groups
from core.services.administration import set_rights
from core.services.administrators import check_administers
from core.services.audit import Action, record_action
from core.services.outbox import revive_dead_rows

T = TypeVar("T")

TAG = "Administration"

EVENTS_AT_ONCE = 200_000
"""Of audit trails that are proved before the answer: one or two seconds. The cursor leads on."""

USERS_AT_ONCE = 1_000


log = get_logger(__name__)


class TrailPosition(NamedTuple):
    """The trail that was looked at last, and the link that was reached in it, unless that was its end."""

    user_id: UUID
    reached: tuple[int, bytes] | None = None


class _ForAdmins:
    is_for_admins = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._authentication = collaborators.authentication

    async def _write(self, req: Request, service: Callable[[Session], T]) -> T:
        """In a transaction that finds the caller to be an administrator still."""
        principal: Principal = req.context.principal
        key = {"user_id": principal.user_id, "session_id": principal.session_id}

        def checked(session: Session) -> T:
            if principal is not MASTER:
                check_administers(session, **key)
            return service(session)

        return await self._transactions.write_all(checked)


class Accounts(_ForAdmins):
    @endpoint(TAG, query=AccountQuery, answers={200: AccountPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List accounts, the newest first."""
        query: AccountQuery = req.context.query
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(session: Session) -> Answer:
            before = None if position is None else position[0]
            found = list_accounts(session, filters=query.to_filter(), before=before, limit=query.limit + 1)
            shown, cursor = cut_page(found, limit=query.limit, position=lambda account: (account.id,))
            return ok(AccountPage([AccountOut.of(account) for account in shown], cursor))

        (await self._transactions.read_all(page)).send(resp)


class OneAccount(_ForAdmins):
    @endpoint(TAG, answers={200: AccountOut})
    async def on_get(self, _req: Request, resp: Response, user_id: UUID) -> None:
        """Read an account."""
        found = await self._transactions.read_all(lambda session: load_account(session, user_id=user_id))
        ok(AccountOut.of(found), version=found.version).send(resp)

    @endpoint(TAG, json=RightsPatch, answers={200: AccountOut})
    async def on_patch(self, req: Request, resp: Response, user_id: UUID) -> None:
        """Deactivate or activate an account, or make somebody an administrator; 409 for the last one."""
        changes = req.context.json.to_changes()

        def change(session: Session) -> Answer:
            set_rights(
                session,
                user_id=user_id,
                changes=changes,
                actor_id=_actor_id(req),
                origin=origin_of(req),
                expected_versions=expected_versions(req),
            )
            account = load_account(session, user_id=user_id)
            return ok(AccountOut.of(account), version=account.version)

        answer = await self._write(req, change)
        self._authentication.forget(user_id)
        answer.send(resp)

    @endpoint(TAG, answers={204: None})
    async def on_delete(self, req: Request, resp: Response, user_id: UUID) -> None:
        """Delete an account with everything in it, at once and for good; 409 for the last administrator."""
        versions, actor_id = expected_versions(req), _actor_id(req)
        actor = BY_THEMSELVES if actor_id == user_id else str(actor_id or BY_MASTER_KEY)

        def leave(session: Session) -> None:
            load_account(session, user_id=user_id)
            leave_groups(session, user_id=user_id, expected_versions=versions)

        def delete(session: Session) -> None:
            delete_account(session, user_id=user_id, expected_versions=versions, actor=actor)
            if actor_id not in (None, user_id):
                action = Action(actor_id, "account.deleted", actor_id, user_id, origin=origin_of(req))
                record_action(session, action)

        await self._write(req, leave)
        await self._write(req, delete)
        self._authentication.forget(user_id)
        no_content().send(resp)


class AuditEvents(_ForAdmins):
    @endpoint(TAG, query=AuditQuery, answers={200: AuditPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List what was done in all accounts, the newest first; amounts and notes are not in it."""
        query: AuditQuery = req.context.query
        position = decode_cursor(query.cursor, tuple[datetime, UUID, int])

        def page(session: Session) -> Answer:
            found = list_audit_events(
                session, filters=query.to_filter(), before=position, limit=query.limit + 1
            )
            shown, cursor = cut_page(
                found, limit=query.limit, position=lambda event: (event.at, event.user_id, event.seq)
            )
            return ok(AuditPage([AuditEventOut.of(event) for event in shown], cursor))

        (await self._transactions.read_all(page)).send(resp)


class AuditVerification(_ForAdmins):
    @endpoint(TAG, query=VerificationQuery, answers={200: TrailVerification})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Prove that no event of the audit trails was changed, removed, added or moved."""
        query: VerificationQuery = req.context.query
        position = decode_cursor(query.cursor, TrailPosition)
        answer = await self._transactions.snapshot_all(
            lambda rows: _verify_some(rows, position, only=query.user_id)
        )
        ok(answer).send(resp)


class Jobs(_ForAdmins):
    @endpoint(TAG, query=JobQuery, answers={200: JobPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Show what waits in the outbox, and the newest jobs that have failed for good."""
        limit = req.context.query.limit

        def read(session: Session) -> JobPage:
            return JobPage(
                [BacklogOut.of(backlog) for backlog in backlogs(session)],
                count_dead_rows(session),
                [DeadJobOut.of(row) for row in dead_rows(session, limit=limit)],
            )

        ok(await self._transactions.read_all(read)).send(resp)


class JobRetry(_ForAdmins):
    @endpoint(TAG, answers={204: None}, is_idempotent=False)
    async def on_post(self, req: Request, resp: Response, job_id: int) -> None:
        """Give a dead job another round of attempts."""

        def revive(session: Session) -> None:
            if not revive_dead_rows(session, row_id=job_id):
                raise NotFound("no such dead job")

        await self._write(req, revive)
        log.info("job.revived", job_id=job_id, actor_id=_actor_id(req))
        no_content().send(resp)


def _actor_id(req: Request) -> UUID | None:
    """None for the master key, which is nobody's."""
    user_id: UUID = req.context.principal.user_id
    return None if user_id == NOBODY else user_id


def _verify_some(rows: Connection, position: TrailPosition | None, *, only: UUID | None) -> TrailVerification:
    after, reached = position or (None, None)
    user_ids = [only] if only else list(audited_users(rows, after=after, limit=USERS_AT_ONCE + 1))
    if after is not None and reached is not None:
        user_ids = [after] if only else [after, *user_ids]
    proofs, events, since = list[ChainProof](), 0, START if reached is None else Link(*reached)
    for user_id in user_ids[:USERS_AT_ONCE]:
        proof = verify_chain(rows, user_id=user_id, since=since, limit=EVENTS_AT_ONCE - events)
        proofs.append(proof)
        events += proof.events - since.seq
        since = START
        if proof.reached is not None:
            return _verified(proofs, events, TrailPosition(user_id, (proof.reached.seq, proof.reached.hash)))
    if len(proofs) < len(user_ids):
        return _verified(proofs, events, TrailPosition(proofs[-1].user_id))
    return _verified(proofs if only else [*proofs, *trails_of_nobody(rows)], events, None)


def _verified(proofs: list[ChainProof], events: int, position: TrailPosition | None) -> TrailVerification:
    broken = [BrokenTrail.of(proof) for proof in proofs if proof.problem is not None]
    cursor = None if position is None else encode_cursor(position)
    return TrailVerification(not broken, len(proofs), events, broken, cursor)
