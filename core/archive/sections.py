"""Which lists an archive has, and in which order: what others refer to comes before them.

Budgets come after the expenses that they count, and their alerts right behind them, so that an import puts
in a budget when its figures are complete: none alerts on the way there. Recurring expenses come last: once
they are there, they post what is due.
"""

import re
from collections.abc import Mapping

from core.archive.account_records import (
    AccountActivityItem,
    ApiKeyItem,
    EmailChangeItem,
    IdentityItem,
    KnownDeviceItem,
    PasskeyItem,
    SecondFactorItem,
)
from core.archive.group_records import (
    ActivityItem,
    GroupExpenseItem,
    GroupItem,
    InvitationItem,
    PostingItem,
    SettlementItem,
)
from core.archive.notification_records import ChannelItem, DigestItem, NotificationSettingsItem
from core.archive.records import (
    AlertItem,
    AttachmentItem,
    BudgetItem,
    CategoryItem,
    ExpenseItem,
    ExportItem,
    FilePart,
    ImportItem,
    ImportMappingItem,
    NotificationItem,
    OccurrenceItem,
    PaceAlertItem,
    Record,
    RecurringItem,
    ReportItem,
    RuleItem,
    SessionItem,
)

FORMAT = "outlay"
VERSION = 1
"""Counts up when an older reader would misunderstand, or lose, what a newer writer means."""

MAX_ARCHIVE_BYTES = 4 * 1024**3
"""All attachments that a user may have are two thirds of that in base64; the rest is for three million
expenses."""

IMPORTED: Mapping[str, type[Record]] = {
    "categories": CategoryItem,
    "rules": RuleItem,
    "expenses": ExpenseItem,
    "files": FilePart,
    "attachments": AttachmentItem,
    "budgets": BudgetItem,
    "alerts": AlertItem,
    "pace_alerts": PaceAlertItem,
    "recurring_expenses": RecurringItem,
    "recurring_occurrences": OccurrenceItem,
}
"""What an import takes in. They stand in this order, so that one reading is enough."""

FOR_READING: Mapping[str, type[Record]] = {
    "notifications": NotificationItem,
    "notification_settings": NotificationSettingsItem,
    "channels": ChannelItem,
    "digests": DigestItem,
    "groups": GroupItem,
    "group_expenses": GroupExpenseItem,
    "settlements": SettlementItem,
    "postings": PostingItem,
    "group_activity": ActivityItem,
    "invitations": InvitationItem,
    "imports": ImportItem,
    "import_mappings": ImportMappingItem,
    "exports": ExportItem,
    "reports": ReportItem,
    "sessions": SessionItem,
    "known_devices": KnownDeviceItem,
    "api_keys": ApiKeyItem,
    "second_factors": SecondFactorItem,
    "passkeys": PasskeyItem,
    "identities": IdentityItem,
    "email_changes": EmailChangeItem,
    "activity": AccountActivityItem,
}
"""What an import counts and passes over: `docs/decisions/0020-archive.md` says why."""

MAX_ENTRIES: Mapping[str, int] = {
    "categories": 5_000,
    "rules": 1_000,
    "budgets": 1_000,
    "recurring_expenses": 2_000,
}
"""Of lists that are taken in as a whole: ten times as many as a user may have of each."""

SECTIONS: Mapping[str, type[Record]] = {**IMPORTED, **FOR_READING}

BEGINNING = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"format"\s*:\s*"outlay"')


def is_archive(head: bytes) -> bool:
    """Whether a file that begins so is meant to be an archive."""
    return BEGINNING.match(head) is not None
