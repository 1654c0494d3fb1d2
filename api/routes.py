"""The one table of URLs."""

from typing import Any

import falcon.asgi

from api.collaborators import Collaborators
from api.resources.accounts import Me, Registration
from api.resources.activity import MyActivity
from api.resources.administration import (
    Accounts,
    AuditEvents,
    AuditVerification,
    JobRetry,
    Jobs,
    OneAccount,
)
from api.resources.alerts import Alerts
from api.resources.analytics import (
    Anomalies,
    BudgetAdherence,
    MonthEnd,
    SpendingBreakdown,
    SpendingSummary,
    Subscriptions,
    Trends,
)
from api.resources.api_keys import ApiKeys, OneApiKey
from api.resources.attachments import Attachments, OneAttachment
from api.resources.budgets import BudgetArchive, BudgetHistory, Budgets, OneBudget
from api.resources.categories import Categories, OneCategory
from api.resources.changes import Changes
from api.resources.channels import (
    ChannelDeliveries,
    ChannelDeliveryRetry,
    Channels,
    ChannelTest,
    OneChannel,
)
from api.resources.charts import ChartSpecification, PngChart, SvgChart
from api.resources.credentials import MyEmail, MyPassword, PasswordReset, PasswordResetConfirmation
from api.resources.debts import Balances, DebtReminder, GroupDebts, MyDebts, SettlementPlan
from api.resources.digests import DigestPreview, Digests, OneDigest
from api.resources.exchange_rates import ExchangeRates
from api.resources.expense_rules import OneRule, Rules, RuleTrial
from api.resources.expenses import ExpenseRestoration, Expenses, ExpensesBulk, OneExpense
from api.resources.exports import ExportDownload, Exports, OneExport
from api.resources.group_activity import Activity
from api.resources.group_expenses import GroupExpenses, OneGroupExpense
from api.resources.group_members import GroupMembers, OneGroupMember
from api.resources.groups import Groups, OneGroup
from api.resources.health import Health
from api.resources.identities import (
    MyIdentities,
    OidcCallback,
    OidcLogin,
    OidcProviderList,
    OneIdentity,
)
from api.resources.imports import ImportCommit, ImportRows, Imports, OneImport
from api.resources.invitations import (
    GroupInvitations,
    InvitationAcceptance,
    InvitationRefusal,
    InvitationResending,
    OneGroupInvitation,
    ReceivedInvitations,
)
from api.resources.logs import Logs
from api.resources.metrics import MetricsPage
from api.resources.notification_settings import MyNotificationSettings
from api.resources.notifications import Notifications, OneNotification, ReadAllNotifications
from api.resources.passkeys import (
    MyPasskeys,
    NewPasskeyOptions,
    OnePasskey,
    PasskeyLogin,
    PasskeyOptions,
)
from api.resources.recurring_expenses import (
    OneRecurringExpense,
    RecurringConfirmation,
    RecurringExpenses,
    RecurringOccurrences,
    RecurringPause,
    RecurringSkip,
    UpcomingExpenses,
)
from api.resources.reports import OneReport, ReportDownload, Reports
from api.resources.second_factors import (
    MySecondFactor,
    RecoveryCodes,
    SecondFactorConfirmation,
    SecondFactorLogin,
)
from api.resources.sessions import Login, Logout, OneSession, Refresh, Sessions, Ticket, Token
from api.resources.settlements import (
    OneSettlement,
    SettlementConfirmation,
    SettlementDispute,
    SettlementReversal,
    Settlements,
)
from api.resources.unsubscribing import Unsubscribing
from api.resources.verification import EmailVerification, VerificationMail
from api.resources.webhooks import (
    OneWebhook,
    WebhookDeliveries,
    WebhookDeliveryRetry,
    WebhookRotation,
    Webhooks,
    WebhookTest,
)


def add_routes(app: falcon.asgi.App[Any, Any], collaborators: Collaborators) -> None:
    health = Health(collaborators)
    app.add_route("/healthz", health)
    app.add_route("/readyz", health, suffix="ready")
    app.add_route("/metrics", MetricsPage(collaborators))

    for template, resource in v1_routes(collaborators):
        app.add_route(f"/v1{template}", resource)


def v1_routes(collaborators: Collaborators) -> list[tuple[str, Any]]:
    return [
        *_account_routes(collaborators),
        *_own_routes(collaborators),
        *_channel_routes(collaborators),
        *_group_routes(collaborators),
        *_insight_routes(collaborators),
        *_admin_routes(collaborators),
    ]


def _account_routes(collaborators: Collaborators) -> list[tuple[str, Any]]:
    return [
        ("/auth/register", Registration(collaborators)),
        ("/auth/login", Login(collaborators)),
        ("/auth/second-factor", SecondFactorLogin(collaborators)),
        ("/auth/token", Token(collaborators)),
        ("/auth/refresh", Refresh(collaborators)),
        ("/auth/logout", Logout(collaborators)),
        ("/auth/ticket", Ticket(collaborators)),
        ("/auth/verify-email", EmailVerification(collaborators)),
        ("/auth/password-reset", PasswordReset(collaborators)),
        ("/auth/password-reset/confirm", PasswordResetConfirmation(collaborators)),
        ("/me", Me(collaborators)),
        ("/me/password", MyPassword(collaborators)),
        ("/me/email", MyEmail(collaborators)),
        ("/me/verify-email", VerificationMail(collaborators)),
        ("/me/second-factor", MySecondFactor(collaborators)),
        ("/me/second-factor/confirm", SecondFactorConfirmation(collaborators)),
        ("/me/second-factor/recovery-codes", RecoveryCodes(collaborators)),
        ("/me/sessions", Sessions(collaborators)),
        ("/me/sessions/{session_id:uuid}", OneSession(collaborators)),
        ("/auth/oidc", OidcProviderList(collaborators)),
        ("/auth/oidc/{provider}", OidcLogin(collaborators)),
        ("/auth/oidc/{provider}/callback", OidcCallback(collaborators)),
        ("/me/identities", MyIdentities(collaborators)),
        ("/me/identities/{provider}", OneIdentity(collaborators)),
        ("/auth/passkey/options", PasskeyOptions(collaborators)),
        ("/auth/passkey", PasskeyLogin(collaborators)),
        ("/me/passkeys", MyPasskeys(collaborators)),
        ("/me/passkeys/options", NewPasskeyOptions(collaborators)),
        ("/me/passkeys/{passkey_id:uuid}", OnePasskey(collaborators)),
        ("/me/activity", MyActivity(collaborators)),
        ("/me/api-keys", ApiKeys(collaborators)),
        ("/me/api-keys/{key_id:uuid}", OneApiKey(collaborators)),
    ]


def _own_routes(collaborators: Collaborators) -> list[tuple[str, Any]]:
    return [
        ("/categories", Categories(collaborators)),
        ("/categories/{category_id:uuid}", OneCategory(collaborators)),
        ("/expenses", Expenses(collaborators)),
        ("/expenses/bulk", ExpensesBulk(collaborators)),
        ("/expenses/{expense_id:uuid}", OneExpense(collaborators)),
        ("/expenses/{expense_id:uuid}/restore", ExpenseRestoration(collaborators)),
        ("/expenses/{expense_id:uuid}/attachments", Attachments(collaborators)),
        ("/expenses/{expense_id:uuid}/attachments/{attachment_id:uuid}", OneAttachment(collaborators)),
        ("/imports", Imports(collaborators)),
        ("/imports/{import_id:uuid}", OneImport(collaborators)),
        ("/imports/{import_id:uuid}/rows", ImportRows(collaborators)),
        ("/imports/{import_id:uuid}/commit", ImportCommit(collaborators)),
        ("/rules", Rules(collaborators)),
        ("/rules/{rule_id:uuid}", OneRule(collaborators)),
        ("/rules/try", RuleTrial(collaborators)),
        ("/changes", Changes(collaborators)),
        *_recurring_routes(collaborators),
        ("/budgets", Budgets(collaborators)),
        ("/budgets/{budget_id:uuid}", OneBudget(collaborators)),
        ("/budgets/{budget_id:uuid}/archive", BudgetArchive(collaborators, is_archived=True)),
        ("/budgets/{budget_id:uuid}/unarchive", BudgetArchive(collaborators, is_archived=False)),
        ("/budgets/{budget_id:uuid}/history", BudgetHistory(collaborators)),
        ("/alerts", Alerts(collaborators)),
        ("/me/notification-settings", MyNotificationSettings(collaborators)),
        ("/unsubscribe/{token}", Unsubscribing(collaborators)),
        ("/digests", Digests(collaborators)),
        ("/digests/preview", DigestPreview(collaborators)),
        ("/digests/{digest_id:uuid}", OneDigest(collaborators)),
        ("/notifications", Notifications(collaborators)),
        ("/notifications/{seq:int(min=1, max=9223372036854775807)}", OneNotification(collaborators)),
        ("/notifications/read-all", ReadAllNotifications(collaborators)),
    ]


def _recurring_routes(collaborators: Collaborators) -> list[tuple[str, Any]]:
    one = "/recurring-expenses/{recurring_id:uuid}"
    return [
        ("/recurring-expenses", RecurringExpenses(collaborators)),
        ("/recurring-expenses/upcoming", UpcomingExpenses(collaborators)),
        (one, OneRecurringExpense(collaborators)),
        (f"{one}/skip", RecurringSkip(collaborators)),
        (f"{one}/confirm", RecurringConfirmation(collaborators)),
        (f"{one}/pause", RecurringPause(collaborators, is_paused=True)),
        (f"{one}/resume", RecurringPause(collaborators, is_paused=False)),
        (f"{one}/occurrences", RecurringOccurrences(collaborators)),
    ]


def _channel_routes(collaborators: Collaborators) -> list[tuple[str, Any]]:
    delivery = "deliveries/{delivery_id:uuid}"
    return [
        ("/webhooks", Webhooks(collaborators)),
        ("/webhooks/{webhook_id:uuid}", OneWebhook(collaborators)),
        ("/webhooks/{webhook_id:uuid}/rotate-secret", WebhookRotation(collaborators)),
        ("/webhooks/{webhook_id:uuid}/test", WebhookTest(collaborators)),
        ("/webhooks/{webhook_id:uuid}/deliveries", WebhookDeliveries(collaborators)),
        (f"/webhooks/{{webhook_id:uuid}}/{delivery}/retry", WebhookDeliveryRetry(collaborators)),
        ("/channels", Channels(collaborators)),
        ("/channels/{channel_id:uuid}", OneChannel(collaborators)),
        ("/channels/{channel_id:uuid}/test", ChannelTest(collaborators)),
        ("/channels/{channel_id:uuid}/deliveries", ChannelDeliveries(collaborators)),
        (f"/channels/{{channel_id:uuid}}/{delivery}/retry", ChannelDeliveryRetry(collaborators)),
    ]


def _group_routes(collaborators: Collaborators) -> list[tuple[str, Any]]:
    return [
        ("/groups", Groups(collaborators)),
        ("/groups/{group_id:uuid}", OneGroup(collaborators)),
        ("/groups/{group_id:uuid}/members", GroupMembers(collaborators)),
        ("/groups/{group_id:uuid}/members/{member_id:uuid}", OneGroupMember(collaborators)),
        ("/groups/{group_id:uuid}/invitations", GroupInvitations(collaborators)),
        ("/groups/{group_id:uuid}/invitations/{invitation_id:uuid}", OneGroupInvitation(collaborators)),
        (
            "/groups/{group_id:uuid}/invitations/{invitation_id:uuid}/resend",
            InvitationResending(collaborators),
        ),
        ("/groups/{group_id:uuid}/expenses", GroupExpenses(collaborators)),
        ("/groups/{group_id:uuid}/expenses/{group_expense_id:uuid}", OneGroupExpense(collaborators)),
        ("/invitations", ReceivedInvitations(collaborators)),
        ("/invitations/{token}/accept", InvitationAcceptance(collaborators)),
        ("/invitations/{token}/decline", InvitationRefusal(collaborators)),
        ("/groups/{group_id:uuid}/balances", Balances(collaborators)),
        ("/groups/{group_id:uuid}/debts", GroupDebts(collaborators)),
        ("/groups/{group_id:uuid}/plan", SettlementPlan(collaborators)),
        ("/groups/{group_id:uuid}/remind", DebtReminder(collaborators)),
        ("/groups/{group_id:uuid}/activity", Activity(collaborators)),
        ("/groups/{group_id:uuid}/settlements", Settlements(collaborators)),
        ("/groups/{group_id:uuid}/settlements/{settlement_id:uuid}", OneSettlement(collaborators)),
        (
            "/groups/{group_id:uuid}/settlements/{settlement_id:uuid}/confirm",
            SettlementConfirmation(collaborators),
        ),
        (
            "/groups/{group_id:uuid}/settlements/{settlement_id:uuid}/dispute",
            SettlementDispute(collaborators),
        ),
        (
            "/groups/{group_id:uuid}/settlements/{settlement_id:uuid}/reverse",
            SettlementReversal(collaborators),
        ),
        ("/debts", MyDebts(collaborators)),
    ]


def _admin_routes(collaborators: Collaborators) -> list[tuple[str, Any]]:
    return [
        ("/admin/users", Accounts(collaborators)),
        ("/admin/users/{user_id:uuid}", OneAccount(collaborators)),
        ("/admin/audit", AuditEvents(collaborators)),
        ("/admin/audit/verify", AuditVerification(collaborators)),
        ("/admin/jobs", Jobs(collaborators)),
        ("/admin/jobs/{job_id:int(min=1, max=9223372036854775807)}/retry", JobRetry(collaborators)),
        ("/admin/logs", Logs(collaborators)),
    ]


def _insight_routes(collaborators: Collaborators) -> list[tuple[str, Any]]:
    return [
        ("/analytics/summary", SpendingSummary(collaborators)),
        ("/analytics/breakdown", SpendingBreakdown(collaborators)),
        ("/analytics/trends", Trends(collaborators)),
        ("/analytics/budget-adherence", BudgetAdherence(collaborators)),
        ("/analytics/forecast", MonthEnd(collaborators)),
        ("/analytics/anomalies", Anomalies(collaborators)),
        ("/analytics/subscriptions", Subscriptions(collaborators)),
        ("/analytics/charts/{name}.svg", SvgChart(collaborators)),
        ("/analytics/charts/{name}.png", PngChart(collaborators)),
        ("/analytics/charts/{name}.json", ChartSpecification(collaborators)),
        ("/exchange-rates", ExchangeRates(collaborators)),
        ("/exports", Exports(collaborators)),
        ("/exports/{export_id:uuid}", OneExport(collaborators)),
        ("/exports/{export_id:uuid}/download", ExportDownload(collaborators)),
        ("/reports", Reports(collaborators)),
        ("/reports/{report_id:uuid}", OneReport(collaborators)),
        ("/reports/{report_id:uuid}/download", ReportDownload(collaborators)),
    ]
