"""SQLAlchemy tables. Importing this package makes all of them known to `Base.metadata`."""

from core.models.alerts import Alert, PaceAlert
from core.models.api_keys import ApiKey
from core.models.attachments import Attachment
from core.models.audit import AuditEvent, AuditHead
from core.models.base import Base, table_of
from core.models.budgets import Budget, BudgetAmount, BudgetCategory
from core.models.categories import Category
from core.models.changes import ChangeFeed, Deletion
from core.models.channels import Channel, Delivery
from core.models.digests import DigestRun
from core.models.exchange_rates import ExchangeRate
from core.models.expense_rules import ExpenseRule
from core.models.expenses import Expense, ExpenseLine, ExpenseTag
from core.models.exports import Export
from core.models.group_expenses import GroupExpense, GroupShare
from core.models.groups import Group, GroupActivity, GroupMember, Invitation
from core.models.idempotency import IdempotencyKey
from core.models.imported_records import ImportedRecord
from core.models.imports import Import, ImportMapping, ImportRow
from core.models.invariant_checks import InvariantCheck
from core.models.ledger import PairBalance, Posting
from core.models.logins import Challenge, EmailChange, Identity, KnownDevice
from core.models.notification_settings import NotificationSettings
from core.models.notifications import Notification
from core.models.outbox import OutboxRow
from core.models.recurring_expenses import RecurringExpense, RecurringOccurrence
from core.models.reports import Report
from core.models.second_factors import Passkey, RecoveryCode, SecondFactor
from core.models.sessions import LoginSession, RefreshToken
from core.models.settlements import DebtReminder, Settlement
from core.models.spending import DailyConversion, DailySpending
from core.models.users import User

__all__ = [
    "Alert",
    "ApiKey",
    "Attachment",
    "AuditEvent",
    "AuditHead",
    "Base",
    "Budget",
    "BudgetAmount",
    "BudgetCategory",
    "Category",
    "Challenge",
    "ChangeFeed",
    "Channel",
    "DailyConversion",
    "DailySpending",
    "DebtReminder",
    "Deletion",
    "Delivery",
    "DigestRun",
    "EmailChange",
    "ExchangeRate",
    "Expense",
    "ExpenseLine",
    "ExpenseRule",
    "ExpenseTag",
    "Export",
    "Group",
    "GroupActivity",
    "GroupExpense",
    "GroupMember",
    "GroupShare",
    "IdempotencyKey",
    "Identity",
    "Import",
    "ImportMapping",
    "ImportRow",
    "ImportedRecord",
    "InvariantCheck",
    "Invitation",
    "KnownDevice",
    "LoginSession",
    "Notification",
    "NotificationSettings",
    "OutboxRow",
    "PaceAlert",
    "PairBalance",
    "Passkey",
    "Posting",
    "RecoveryCode",
    "RecurringExpense",
    "RecurringOccurrence",
    "RefreshToken",
    "Report",
    "SecondFactor",
    "Settlement",
    "User",
    "table_of",
]
