"""Nothing of the database is forgotten: each column is in an archive, or there is a reason why not."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from core.archive import account_records, group_records, notification_records, records
from core.archive.records import Record
from core.models import Base

OWNER = "the archive is one user's"
DERIVED = "follows from the others"
COUNTER = "counts for this database only"
SECRET = "nobody shall log in with an archive"
LEDGER = "bookkeeping of the ledger, whose postings are there"

Reasons = Mapping[str, str]

EXPORTED: Mapping[str, tuple[type[Record], Reasons]] = {
    "users": (
        records.Profile,
        {
            "username_key": DERIVED,
            "email_key": DERIVED,
            "password_hash": SECRET,
            "verification_asked_at": "when a mail was sent",
            "reset_asked_at": "when a mail was sent",
            "is_admin": "a right within this system only",
            "is_active": "who can ask for an archive is",
            "notification_seq": DERIVED,
            "version": COUNTER,
        },
    ),
    "categories": (
        records.CategoryItem,
        {"user_id": OWNER, "name_key": DERIVED, "change_seq": COUNTER, "numbered_version": COUNTER},
    ),
    "expense_rules": (records.RuleItem, {"user_id": OWNER}),
    "expenses": (
        records.ExpenseItem,
        {
            "user_id": OWNER,
            "payee_key": DERIVED,
            "search_text": DERIVED,
            "line_count": DERIVED,
            "tag_count": DERIVED,
            "change_seq": COUNTER,
            "numbered_version": COUNTER,
        },
    ),
    "expense_lines": (records.LineItem, {"user_id": OWNER, "expense_id": DERIVED, "position": DERIVED}),
    "attachments": (records.AttachmentItem, {"user_id": OWNER}),
    "budgets": (
        records.BudgetItem,
        {
            "user_id": OWNER,
            "next_period_at": DERIVED,
            "change_seq": COUNTER,
            "numbered_version": COUNTER,
        },
    ),
    "budget_amounts": (records.BudgetAmountItem, {"user_id": OWNER, "budget_id": DERIVED}),
    "alerts": (records.AlertItem, {"user_id": OWNER}),
    "pace_alerts": (records.PaceAlertItem, {"user_id": OWNER}),
    "recurring_expenses": (
        records.RecurringItem,
        {
            "user_id": OWNER,
            "last_on": DERIVED,
            "ahead_on": DERIVED,
            "next_on": DERIVED,
            "next_at": DERIVED,
            "problem": "is found out anew",
            "change_seq": COUNTER,
            "numbered_version": COUNTER,
        },
    ),
    "recurring_occurrences": (records.OccurrenceItem, {"user_id": OWNER}),
    "notifications": (records.NotificationItem, {"user_id": OWNER}),
    "notification_settings": (
        notification_records.NotificationSettingsItem,
        {"user_id": OWNER, "next_digest_on": DERIVED, "next_digest_at": DERIVED, "version": COUNTER},
    ),
    "channels": (
        notification_records.ChannelItem,
        {
            "user_id": OWNER,
            "url": "holds what lets others write to it",
            "secret_issue": COUNTER,
            "previous_secret_until": COUNTER,
            "oldest_issue": COUNTER,
            "sent_at": "paces what is sent",
            "version": COUNTER,
        },
    ),
    "digest_runs": (notification_records.DigestItem, {"user_id": OWNER}),
    "sessions": (records.SessionItem, {"user_id": OWNER}),
    "known_devices": (account_records.KnownDeviceItem, {"user_id": OWNER, "device_hash": DERIVED}),
    "api_keys": (account_records.ApiKeyItem, {"user_id": OWNER, "key_hash": SECRET}),
    "second_factors": (
        account_records.SecondFactorItem,
        {"user_id": OWNER, "issue": SECRET, "last_step": COUNTER},
    ),
    "passkeys": (
        account_records.PasskeyItem,
        {"user_id": OWNER, "credential_id": SECRET, "public_key": SECRET, "sign_count": COUNTER},
    ),
    "identities": (account_records.IdentityItem, {"user_id": OWNER}),
    "audit_events": (
        account_records.AccountActivityItem,
        {"user_id": OWNER, "actor_id": "the user, or an administrator, who stays unnamed", "hash": DERIVED},
    ),
    "email_changes": (account_records.EmailChangeItem, {"user_id": OWNER, "email_key": DERIVED}),
    "exports": (
        records.ExportItem,
        {"user_id": OWNER, "progress": DERIVED, "sha256": "its file is not there"},
    ),
    "imports": (
        records.ImportItem,
        {
            "user_id": OWNER,
            "sha256": "its file is not there",
            "mapping": "is among the mappings",
            "has_own_mapping": DERIVED,
            "findings": "what a preview has shown",
            "choice": "what was answered to a preview",
            "category_ids": "what was answered to a preview",
            "members": "what was answered to a preview",
            "credit_count": "what a preview has shown",
            "chosen_count": "what was answered to a preview",
            "failure": "what a preview has shown",
            "version": COUNTER,
        },
    ),
    "reports": (
        records.ReportItem,
        {
            "user_id": OWNER,
            "is_awaited": "whether somebody is to be told of it",
            "figures": "can be built again",
            "sha256": "its file is not there",
            "size": "its file is not there",
            "version": COUNTER,
            "bears_until": DERIVED,
            "stale_since": DERIVED,
            "ends_at": DERIVED,
        },
    ),
    "import_mappings": (records.ImportMappingItem, {"user_id": OWNER}),
    "groups": (
        group_records.GroupItem,
        {"version": COUNTER, "deleted_at": "nobody sees a deleted group"},
    ),
    "group_members": (
        group_records.MemberItem,
        {"group_id": DERIVED, "user_id": "the accounts of others are none of the user's", "version": COUNTER},
    ),
    "group_expenses": (
        group_records.GroupExpenseItem,
        {
            "version": COUNTER,
            "posted_version": LEDGER,
            "posted_category": LEDGER,
            "entry_count": LEDGER,
            "is_quiet": "whether somebody was told of it",
            "deleted_at": "nobody sees a deleted one; its postings are there",
        },
    ),
    "settlements": (
        group_records.SettlementItem,
        {"entry_count": LEDGER, "version": COUNTER, "nudged_at": "when somebody was asked"},
    ),
    "postings": (group_records.PostingItem, {}),
    "group_activity": (group_records.ActivityItem, {}),
    "group_invitations": (
        group_records.InvitationItem,
        {"email_key": DERIVED, "token_hash": SECRET, "issue": "how many mails were sent", "version": COUNTER},
    ),
}
"""By table: the record that it becomes, and why it lacks some of its columns."""

RENAMED: Mapping[str, Mapping[str, str]] = {
    "expense_rules": {
        "condition": "when", "category_id": "then", "payee": "then", "add_tags": "then",
    },
    "expenses": {"amount_minor": "amount", "rate_currency": "exchange_rate", "rate": "exchange_rate"},
    "expense_lines": {"amount_minor": "amount"},
    "attachments": {"media_type": "type", "size": "bytes"},
    "budgets": {
        "period_kind": "period", "period_every": "period", "period_anchor": "period",
        "period_ends_on": "period", "has_pace_alert": "pace_alert",
    },
    "budget_amounts": {"amount_minor": "amount"},
    "alerts": {"spent_minor": "spent", "limit_minor": "limit"},
    "recurring_expenses": {"amount_minor": "amount", "rule": "rrule"},
    "group_members": {"mirrors_expenses": "mirror_expenses"},
    "group_expenses": {"amount_minor": "amount", "resolved": "shares"},
    "settlements": {"amount_minor": "amount", "overpaid_minor": "overpaid"},
    "postings": {"amount_minor": "amount"},
}  # fmt: skip

NOT_EXPORTED = {
    "expense_tags": "are the tags of their expenses",
    "budget_categories": "are the category_ids of their budgets",
    "group_shares": "are the shares of their expenses, with my_expense_id",
    "pair_balances": "are sums of postings; balances by member are in the groups",
    "daily_spending": DERIVED,
    "daily_conversions": DERIVED,
    "debt_reminders": "limit how often somebody is reminded",
    "exchange_rates": "belong to nobody",
    "refresh_tokens": SECRET,
    "recovery_codes": SECRET,
    "audit_heads": DERIVED,
    "challenges": "logins that are half done, for minutes",
    "idempotency_keys": "hold answers for a day, secrets among them",
    "outbox": "work that waits",
    "invariant_checks": "belong to nobody",
    "deliveries": "what was sent where, for 90 days",
    "change_feeds": COUNTER,
    "deletions": "what is gone",
    "import_rows": "what banks' files had; what became of it is among the expenses",
    "imported_records": "by which an import can be undone here",
}


def test_every_table_is_in_an_archive_or_has_a_reason_not_to_be() -> None:
    tables = set(Base.metadata.tables)
    assert tables == EXPORTED.keys() | NOT_EXPORTED.keys()
    assert not EXPORTED.keys() & NOT_EXPORTED.keys()


@pytest.mark.parametrize("name", EXPORTED)
def test_every_column_is_in_its_record_or_has_a_reason_not_to_be(name: str) -> None:
    record, reasons = EXPORTED[name]
    renamed = RENAMED.get(name, {})
    columns = {column.name for column in Base.metadata.tables[name].columns}
    fields = {field.name for field in msgspec.structs.fields(record)}
    assert reasons.keys() <= columns
    there = {renamed.get(column, column) for column in columns - reasons.keys()}
    assert there <= fields, f"{there - fields} of {name} would be lost"


def test_no_secret_has_a_name_in_an_archive() -> None:
    kinds: list[Any] = [
        value for module in (records, group_records, notification_records) for value in vars(module).values()
    ]
    names = {
        field.name
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Record)
        for field in msgspec.structs.fields(kind)
    }
    assert not [name for name in names if "password" in name or "token" in name or name.endswith("_hash")]
