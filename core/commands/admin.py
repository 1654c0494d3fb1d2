"""Administrators: the first one can be made here only, or with the master key."""

import argparse
import getpass
import os
import sys

from core.commands.databases import opened_database
from core.config import Settings, load_settings
from core.database import Database
from core.errors import invalid
from core.logging import configure_logging
from core.queries.administration import AccountFilter, find_account_id, list_accounts
from core.security import hash_password
from core.services.accounts import (
    BY_COMMAND,
    NewAccount,
    check_new_account,
    delete_account,
    leave_groups,
    register,
)
from core.services.administration import reset_second_factor, set_rights

MAX_SHOWN = 1_000

ACTIONS = ("create", "list", "disable", "enable", "reset-second-factor", "delete")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=ACTIONS,
        help="`create` makes one of a user who exists, `list` shows them; the others take any user",
    )
    parser.add_argument("login", nargs="?", help="user name or e-mail address; for a new user the name")
    parser.add_argument("--email", help="makes a new user with this address")
    parser.add_argument("--yes", action="store_true", help="delete without asking")


def run(arguments: argparse.Namespace) -> int:
    """Answers 2 for a command that says too little."""
    if arguments.action != "list" and not arguments.login:
        print(f"outlay admin {arguments.action}: whom?", file=sys.stderr)
        return 2
    settings = load_settings(os.environ)
    # The audit log is told at any level; stdout has the command's own words.
    configure_logging(
        process="admin",
        level="WARNING",
        log_format=settings.line_format,
        folder=settings.log_folder,
        console=sys.stderr,
    )
    with opened_database(settings) as database:
        match arguments.action:
            case "list":
                _list(database)
            case "create":
                _create(settings, database, arguments.login, arguments.email)
            case "delete":
                return _delete(database, arguments.login, is_certain=arguments.yes)
            case "reset-second-factor":
                _reset_second_factor(database, arguments.login)
            case action:
                _set(database, arguments.login, is_active=action == "enable")
    return 0


def _list(database: Database) -> None:
    filters = AccountFilter(is_admin=True)
    with database.reading() as session:
        found = list_accounts(session, filters=filters, before=None, limit=MAX_SHOWN)
    for account in reversed(found):
        seen = f"seen {account.last_seen_at:%Y-%m-%d %H:%M} UTC" if account.last_seen_at else "never seen"
        factor = "second factor" if account.has_second_factor else "no second factor"
        state = "" if account.is_active else ", disabled"
        print(f"{account.username} <{account.email}>, {factor}, {seen}{state}")
    print(f"Administrators: {len(found)}")


def _create(settings: Settings, database: Database, login: str, email: str | None) -> None:
    if email is not None:
        _register(settings, database, login, email)
        print(f"{login} is a new user, and an administrator.")
        return
    with database.transaction() as session:
        user_id = find_account_id(session, login=login)
        set_rights(session, user_id=user_id, changes={"is_admin": True, "is_active": True})
    print(f"{login} is an administrator.")


def _register(settings: Settings, database: Database, username: str, email: str) -> None:
    account = NewAccount(username=username, email=email, password=_ask_for_password())
    check_new_account(account)
    password_hash = hash_password(account.password, cost=settings.bcrypt_cost)
    with database.transaction() as session:
        user = register(session, account=account, password_hash=password_hash)
        set_rights(session, user_id=user.id, changes={"is_admin": True})


def _ask_for_password() -> str:
    """Typed twice at a terminal, else the first line of the input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise invalid("/password", "the two are not the same")
    return password


def _set(database: Database, login: str, *, is_active: bool) -> None:
    with database.transaction() as session:
        user_id = find_account_id(session, login=login)
        set_rights(session, user_id=user_id, changes={"is_active": is_active})
    print(f"{login} is {'enabled' if is_active else 'disabled'}.")


def _reset_second_factor(database: Database, login: str) -> None:
    with database.transaction() as session:
        user_id = find_account_id(session, login=login)
        reset_second_factor(session, user_id=user_id)
    print(f"{login} is logged out everywhere, and needs the password alone. Passkeys and API keys stay.")


def _delete(database: Database, login: str, *, is_certain: bool) -> int:
    with database.reading() as session:
        user_id = find_account_id(session, login=login)
    if not is_certain:
        try:
            answer = input(f"Delete {login} with all that is theirs? Type the name again: ")
        except EOFError:
            print("\noutlay admin delete: nobody answers; --yes deletes without asking", file=sys.stderr)
            return 2
        if answer != login:
            print("Nothing was deleted.")
            return 1
    with database.transaction() as session:
        leave_groups(session, user_id=user_id, expected_versions=None)
    with database.transaction() as session:
        delete_account(session, user_id=user_id, expected_versions=None, actor=BY_COMMAND)
    print(f"{login} is deleted.")
    return 0
