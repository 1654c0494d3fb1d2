from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.audit import origin_of
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.reauthentication import confirm_password
from api.schemas.accounts import AccountDeletionIn, ProfilePatch, RegistrationIn, UserOut
from api.throttles import PASSWORD_CHECK, REGISTRATION
from core.queries.users import load_user
from core.services import accounts

TAG = "Accounts"


class Registration:
    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._passwords = collaborators.passwords

    @endpoint(TAG, json=RegistrationIn, answers={201: UserOut}, is_public=True, throttle=REGISTRATION)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Register; the account starts with a useful set of categories."""
        account = req.context.json.to_account()
        await self._passwords.run(lambda: accounts.check_new_account(account))
        # Before the transaction: a quarter of a second is long to hold a connection, or SQLite's write lock.
        password_hash = await self._passwords.hash(account.password)

        def register(session: Session) -> Answer:
            user = accounts.register(
                session, account=account, password_hash=password_hash, origin=origin_of(req)
            )
            return created(UserOut.of(user), location="/v1/me", version=user.version)

        (await self._transactions.post_all(req, accounts.NOBODY, register)).send(resp)


class Me:
    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators
        self._transactions = collaborators.transactions
        self._authentication = collaborators.authentication

    @endpoint(TAG, answers={200: UserOut})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Read the own account."""
        user_id = req.context.principal.user_id
        user = await self._transactions.read(lambda session: load_user(session, user_id=user_id))
        ok(UserOut.of(user), version=user.version).send(resp)

    @endpoint(TAG, json=ProfilePatch, answers={200: UserOut})
    async def on_patch(self, req: Request, resp: Response) -> None:
        """Change the own profile; in another time zone budgets are evaluated again."""
        user_id = req.context.principal.user_id
        changes = req.context.json.to_changes()
        user = await self._transactions.write(
            lambda session: accounts.change_profile(
                session, user_id=user_id, changes=changes, expected_versions=expected_versions(req)
            )
        )
        ok(UserOut.of(user), version=user.version).send(resp)

    @endpoint(TAG, json=AccountDeletionIn, answers={204: None}, throttle=PASSWORD_CHECK)
    async def on_delete(self, req: Request, resp: Response) -> None:
        """Delete the own account with everything in it, at once and for good; 403 for a wrong password.

        409 for the last administrator.
        """
        user_id = req.context.principal.user_id
        confirmed = await confirm_password(
            self._collaborators, user_id=user_id, password=req.context.json.password
        )

        def leave(session: Session) -> None:
            accounts.leave_groups(session, user_id=user_id, expected_versions=expected_versions(req))
            # Not before: it locks the account, and groups are locked before users.
            confirmed.check(session)

        # In a transaction of its own: nobody in the groups shall wait while years of expenses are deleted.
        await self._transactions.write_all(leave)
        await self._transactions.write_all(
            lambda session: accounts.delete_account(
                session, user_id=user_id, expected_versions=expected_versions(req)
            )
        )
        self._authentication.forget(user_id)
        no_content().send(resp)
