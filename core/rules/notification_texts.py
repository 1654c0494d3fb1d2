"""Notifications in a line, for push services and wherever else there is no room for more."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

DIGEST_TITLES: Mapping[str, str] = {"daily": "Your day", "weekly": "Your week", "monthly": "Your month"}

MAX_TITLE = 100
MAX_BODY = 500
"""Characters of each; some services take no more than a thousand in all."""

Data = Mapping[str, Any]
Text = tuple[str, str]
"""Title and body."""


def short_text(kind: str, data: Data) -> Text:
    """The title and the body of a notification, each one line of plain text.

    Whatever the data lacks is left out, and a kind without a text of its own is called by its name: what was
    stored by an older version is told all the same.
    """
    write = TEXTS.get(kind)
    title, body = write(data) if write is not None else (_called(kind), "")
    return _line(title, MAX_TITLE) or _called(kind), _line(body, MAX_BODY)


def message_text(notifications: list[tuple[str, Data]]) -> Text:
    """The title and the body of a message of one or several notifications, given as kind and data.

    Of several the body has a line each.
    """
    texts = [short_text(kind, data) for kind, data in notifications]
    if len(texts) == 1:
        return texts[0]
    lines = (f"{title}: {body}" if body else title for title, body in texts)
    return f"{len(texts)} notifications", "\n".join(lines)


def _line(text: str, longest: int) -> str:
    """One line of printable characters, whatever somebody has written into a name."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _of(data: Data, name: str, otherwise: str = "") -> str:
    value = data.get(name)
    return otherwise if value is None else str(value)


def _money(data: Data, name: str) -> str:
    return f"{_of(data, name, '?')} {_of(data, 'currency')}".strip()


def _owed(data: Data) -> str:
    """What the balance says: positive is owed to the reader."""
    balance = _of(data, "balance")
    if not balance or not balance.strip("-0."):
        return ""
    amount = f"{balance.lstrip('-')} {_of(data, 'currency')}"
    return f"you owe {amount} in all" if balance.startswith("-") else f"you are owed {amount} in all"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _budget(data: Data) -> str:
    return f"Budget {_of(data, 'budget_name')}"


def _spent(data: Data) -> str:
    percent = _of(data, "percent")
    share = f" ({percent} %)" if percent else ""
    return f"{_of(data, 'spent', '?')} of {_money(data, 'limit')} spent{share}"


def _threshold(data: Data) -> Text:
    return f"{_budget(data)} is above {_of(data, 'threshold', '?')} %", _spent(data)


def _projected(data: Data) -> Text:
    return (
        f"{_budget(data)} will not last",
        f"{_money(data, 'projected')} expected by its end; {_spent(data)}",
    )


def _recovered(data: Data) -> Text:
    return f"{_budget(data)} is below {_of(data, 'threshold', '?')} % again", _spent(data)


def _invited(data: Data) -> Text:
    return (
        f"Invitation to {_of(data, 'group_name', 'a group')}",
        f"from {_of(data, 'invited_by', 'a member')}",
    )


def _joined_group(data: Data) -> Text:
    return _of(data, "group_name", "Group"), f"{_of(data, 'display_name', 'Somebody')} has joined"


def _group_expense(verb: str) -> Callable[[Data], Text]:
    def text(data: Data) -> Text:
        what = f"{_of(data, 'by', 'Somebody')} has {verb} {_of(data, 'description', 'an expense')}"
        share = "" if verb == "deleted" else f"your share is {_money(data, 'share')}"
        body = _joined(f"{what}, {_money(data, 'amount')}", share, _owed(data))
        return _of(data, "group_name", "Group"), body

    return text


def _reminder(data: Data) -> Text:
    debts = ", ".join(f"{one.get('amount')} {one.get('currency')}" for one in data.get("debts", ()))
    body = f"You owe {_of(data, 'to_name', 'a member')} {debts}".rstrip()
    return f"Reminder from {_of(data, 'group_name', 'a group')}", body


def _settlement(verb: str) -> Callable[[Data], Text]:
    def text(data: Data) -> Text:
        payment = (
            f"{_of(data, 'from_name', 'a member')} to {_of(data, 'to_name', 'a member')}, "
            f"{_money(data, 'amount')}"
        )
        if data.get("is_reminder"):
            what = f"A payment still waits for you to confirm it: {payment}"
        else:
            what = f"{_of(data, 'by', 'Somebody')} has {verb} a payment: {payment}"
        return _of(data, "group_name", "Group"), _joined(what, _owed(data))

    return text


def _due(data: Data) -> Text:
    name, amount = _of(data, "payee", "A recurring expense"), _money(data, "amount")
    day = f"on {_of(data, 'due_on', '?')}"
    if data.get("problem"):
        body = _joined(_of(data, "problem"), f"{amount} {day}", _missed(data))
        return f"{name} could not be recorded", body
    if data.get("needs_confirmation"):
        body = _joined(f"due {day}", f"{amount} expected", _missed(data))
        return f"{name} waits for its amount", body
    expected = " expected" if data.get("is_variable") else ""
    return f"{name} is due", f"{amount}{expected} {day}"


def _posted(data: Data) -> Text:
    name = _of(data, "payee", "A recurring expense")
    body = _joined(f"{_money(data, 'amount')} on {_of(data, 'due_on', '?')}", _missed(data))
    return f"{name} has been recorded", body


def _missed(data: Data) -> str:
    """What was too long ago to be recorded any more."""
    count, first, last = (_of(data, name) for name in ("missed", "missed_from", "missed_to"))
    if not count:
        return ""
    if count == "1":
        return f"1 earlier one ({first or '?'}) was not recorded"
    return f"{count} earlier ones ({first or '?'} to {last or '?'}) were not recorded"


def _import(data: Data) -> Text:
    name = _of(data, "name") or _of(data, "group_name") or "a file"
    count = _of(data, "committed")
    return f"Import of {name}", _joined(_of(data, "state"), f"{count} recorded" if count else "")


def _export(data: Data) -> Text:
    return "Your export is ready", f"{_of(data, 'rows', '?')} rows as {_of(data, 'format', 'a file')}"


def _report(data: Data) -> Text:
    return "Your report is ready", _of(data, "period")


def _digest(data: Data) -> Text:
    title, days = DIGEST_TITLES.get(_of(data, "frequency")), _days(data)
    if title is None:
        return "Your summary is ready", days
    exceeded, awaiting, coming = (data.get(name) for name in ("budgets_exceeded", "awaiting", "upcoming"))
    return f"{title}: {_money(data, 'spent')} spent", _joined(
        days,
        f"{_money(data, 'spent_before')} in the time before" if data.get("spent_before") else "",
        f"{exceeded} {'budget' if exceeded == 1 else 'budgets'} exceeded" if exceeded else "",
        f"{awaiting} waiting for {'its amount' if awaiting == 1 else 'their amounts'}" if awaiting else "",
        f"{coming} recurring coming up" if coming else "",
    )


def _days(data: Data) -> str:
    """The half-open period by its first and its last day."""
    start = _of(data, "period_start")
    try:
        last = str(date.fromisoformat(_of(data, "period_end")) - timedelta(days=1))
    except (ValueError, OverflowError):
        return start
    return last if start == last else f"{start} to {last}"


def _disabled(data: Data) -> Text:
    kinds = {"email": "Mails", "webhook": "A webhook", "push": "A push service"}
    what = kinds.get(_of(data, "kind"), "A channel")
    name = _of(data, "name") or _of(data, "url")
    title = f"{what} ({name})" if name else what
    return f"{title}: switched off", _of(data, "reason")


def _login(data: Data) -> Text:
    return "New login", _joined(_of(data, "user_agent"), _of(data, "ip_address"))


def _password(data: Data) -> Text:  # noqa: ARG001 - as all the others
    return "Your password has been changed", "If that was not you, ask for a new one at once"


def _account(data: Data) -> Text:
    change = ACCOUNT_CHANGES.get(_of(data, "change"), "What guards your account has changed")
    name = _of(data, "name")
    title = f"{change}: {name}" if name else change
    return title, "If that was not you, change your password at once"


def _called(kind: str) -> str:
    return kind.replace(".", " ").replace("_", " ").capitalize()


ACCOUNT_CHANGES: Mapping[str, str] = {
    "email": "Your e-mail address has been changed",
    "second_factor_on": "Logins ask for a code from now on",
    "second_factor_off": "Logins ask for no code any more",
    "recovery_codes": "You have new recovery codes",
    "api_key": "A new API key",
    "passkey": "A new passkey",
    "identity": "A new way to log in",
    "email_asked": "Somebody asked for another e-mail address",
    "passkey_deleted": "A passkey was deleted",
    "identity_unlinked": "A way to log in was removed",
    "api_key_deleted": "An API key was deleted",
    "channel": "Your notifications go to another place as well",
}

TEXTS: Mapping[str, Callable[[Data], Text]] = {
    "budget.threshold": _threshold,
    "budget.projected": _projected,
    "budget.recovered": _recovered,
    "group.invited": _invited,
    "group.member_joined": _joined_group,
    "group.expense_added": _group_expense("added"),
    "group.expense_changed": _group_expense("changed"),
    "group.expense_deleted": _group_expense("deleted"),
    "debt.reminder": _reminder,
    "settlement.recorded": _settlement("recorded"),
    "settlement.confirmed": _settlement("confirmed"),
    "settlement.disputed": _settlement("disputed"),
    "settlement.reversed": _settlement("reversed"),
    "recurring.due": _due,
    "recurring.posted": _posted,
    "import.finished": _import,
    "export.ready": _export,
    "report.ready": _report,
    "digest.ready": _digest,
    "channel.disabled": _disabled,
    "security.new_login": _login,
    "security.password_changed": _password,
    "security.account_changed": _account,
}
