"""What each writing call is called in the audit trail; it gets there in the call's own transaction."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any
from uuid import UUID

from falcon.asgi import Request, Response
from msgspec import UNSET, Struct

from core.services.accounts import NOBODY
from core.services.audit import Action, Origin
from core.throttling.addresses import address_text

ACTIONS: Mapping[tuple[str, str], str] = {
    ("POST", "/v1/auth/logout"): "session.ended",
    ("PATCH", "/v1/me"): "account.changed",
    ("POST", "/v1/me/password"): "password.changed",
    ("POST", "/v1/me/email"): "email.change_asked",
    ("POST", "/v1/me/verify-email"): "email.verification_asked",
    ("POST", "/v1/me/second-factor"): "second_factor.begun",
    ("POST", "/v1/me/second-factor/confirm"): "second_factor.confirmed",
    ("POST", "/v1/me/second-factor/recovery-codes"): "second_factor.codes_renewed",
    ("DELETE", "/v1/me/second-factor"): "second_factor.ended",
    ("DELETE", "/v1/me/identities/{provider}"): "identity.unlinked",
    ("POST", "/v1/me/passkeys/options"): "passkey.begun",
    ("POST", "/v1/me/passkeys"): "passkey.created",
    ("DELETE", "/v1/me/passkeys/{passkey_id}"): "passkey.deleted",
    ("DELETE", "/v1/me/sessions"): "session.others_ended",
    ("DELETE", "/v1/me/sessions/{session_id}"): "session.ended",
    ("POST", "/v1/me/api-keys"): "api_key.created",
    ("DELETE", "/v1/me/api-keys/{key_id}"): "api_key.deleted",
    ("PUT", "/v1/me/notification-settings"): "notification_settings.changed",
    ("POST", "/v1/categories"): "category.created",
    ("PATCH", "/v1/categories/{category_id}"): "category.changed",
    ("DELETE", "/v1/categories/{category_id}"): "category.deleted",
    ("POST", "/v1/expenses"): "expense.created",
    ("POST", "/v1/expenses/bulk"): "expense.created_in_bulk",
    ("PATCH", "/v1/expenses/{expense_id}"): "expense.changed",
    ("DELETE", "/v1/expenses/{expense_id}"): "expense.deleted",
    ("POST", "/v1/expenses/{expense_id}/restore"): "expense.restored",
    ("POST", "/v1/expenses/{expense_id}/attachments"): "attachment.created",
    ("DELETE", "/v1/expenses/{expense_id}/attachments/{attachment_id}"): "attachment.deleted",
    ("POST", "/v1/imports"): "import.created",
    ("PATCH", "/v1/imports/{import_id}"): "import.changed",
    ("POST", "/v1/imports/{import_id}/commit"): "import.committed",
    ("DELETE", "/v1/imports/{import_id}"): "import.undone",
    ("POST", "/v1/rules"): "rule.created",
    ("PATCH", "/v1/rules/{rule_id}"): "rule.changed",
    ("DELETE", "/v1/rules/{rule_id}"): "rule.deleted",
    ("POST", "/v1/recurring-expenses"): "recurring_expense.created",
    ("PATCH", "/v1/recurring-expenses/{recurring_id}"): "recurring_expense.changed",
    ("DELETE", "/v1/recurring-expenses/{recurring_id}"): "recurring_expense.deleted",
    ("POST", "/v1/recurring-expenses/{recurring_id}/skip"): "recurring_expense.skipped",
    ("POST", "/v1/recurring-expenses/{recurring_id}/confirm"): "recurring_expense.confirmed",
    ("POST", "/v1/recurring-expenses/{recurring_id}/pause"): "recurring_expense.paused",
    ("POST", "/v1/recurring-expenses/{recurring_id}/resume"): "recurring_expense.resumed",
    ("POST", "/v1/budgets"): "budget.created",
    ("PATCH", "/v1/budgets/{budget_id}"): "budget.changed",
    ("DELETE", "/v1/budgets/{budget_id}"): "budget.deleted",
    ("POST", "/v1/budgets/{budget_id}/archive"): "budget.archived",
    ("POST", "/v1/budgets/{budget_id}/unarchive"): "budget.unarchived",
    ("POST", "/v1/webhooks"): "webhook.created",
    ("PATCH", "/v1/webhooks/{webhook_id}"): "webhook.changed",
    ("DELETE", "/v1/webhooks/{webhook_id}"): "webhook.deleted",
    ("POST", "/v1/webhooks/{webhook_id}/rotate-secret"): "webhook.secret_rotated",
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry"): "delivery.retried",
    ("POST", "/v1/channels"): "channel.created",
    ("PATCH", "/v1/channels/{channel_id}"): "channel.changed",
    ("DELETE", "/v1/channels/{channel_id}"): "channel.deleted",
    ("POST", "/v1/channels/{channel_id}/deliveries/{delivery_id}/retry"): "delivery.retried",
    ("POST", "/v1/groups"): "group.created",
    ("PATCH", "/v1/groups/{group_id}"): "group.changed",
    ("DELETE", "/v1/groups/{group_id}"): "group.deleted",
    ("POST", "/v1/groups/{group_id}/members"): "member.created",
    ("PATCH", "/v1/groups/{group_id}/members/{member_id}"): "member.changed",
    ("DELETE", "/v1/groups/{group_id}/members/{member_id}"): "member.removed",
    ("POST", "/v1/groups/{group_id}/invitations"): "invitation.created",
    ("DELETE", "/v1/groups/{group_id}/invitations/{invitation_id}"): "invitation.revoked",
    ("POST", "/v1/groups/{group_id}/invitations/{invitation_id}/resend"): "invitation.resent",
    ("POST", "/v1/invitations/{token}/accept"): "invitation.accepted",
    ("POST", "/v1/invitations/{token}/decline"): "invitation.declined",
    ("POST", "/v1/groups/{group_id}/expenses"): "group_expense.created",
    ("PATCH", "/v1/groups/{group_id}/expenses/{group_expense_id}"): "group_expense.changed",
    ("DELETE", "/v1/groups/{group_id}/expenses/{group_expense_id}"): "group_expense.deleted",
    ("POST", "/v1/groups/{group_id}/remind"): "debt.reminded",
    ("POST", "/v1/groups/{group_id}/settlements"): "settlement.created",
    ("POST", "/v1/groups/{group_id}/settlements/{settlement_id}/confirm"): "settlement.confirmed",
    ("POST", "/v1/groups/{group_id}/settlements/{settlement_id}/dispute"): "settlement.disputed",
    ("POST", "/v1/groups/{group_id}/settlements/{settlement_id}/reverse"): "settlement.reversed",
    ("POST", "/v1/exports"): "export.created",
    ("DELETE", "/v1/exports/{export_id}"): "export.deleted",
    ("POST", "/v1/reports"): "report.created",
    ("DELETE", "/v1/reports/{report_id}"): "report.deleted",
}
"""By method and route. A test wants each writing route here or in `NOT_RECORDED`."""

BY_THEMSELVES = "the service records it, as only it knows whose account it is"

NOT_RECORDED: Mapping[tuple[str, str], str] = {
    ("POST", "/v1/auth/register"): BY_THEMSELVES,
    ("POST", "/v1/auth/login"): BY_THEMSELVES,
    ("POST", "/v1/auth/token"): BY_THEMSELVES,
    ("POST", "/v1/auth/second-factor"): BY_THEMSELVES,
    ("POST", "/v1/auth/passkey"): BY_THEMSELVES,
    ("POST", "/v1/auth/passkey/options"): "nobody is known yet",
    ("POST", "/v1/auth/refresh"): BY_THEMSELVES,
    ("POST", "/v1/auth/verify-email"): BY_THEMSELVES,
    ("POST", "/v1/auth/password-reset"): BY_THEMSELVES,
    ("POST", "/v1/auth/password-reset/confirm"): BY_THEMSELVES,
    ("POST", "/v1/unsubscribe/{token}"): BY_THEMSELVES,
    ("PATCH", "/v1/admin/users/{user_id}"): BY_THEMSELVES,
    ("DELETE", "/v1/admin/users/{user_id}"): BY_THEMSELVES,
    ("POST", "/v1/admin/jobs/{job_id}/retry"): "it is nobody's in particular; the log tells",
    ("POST", "/v1/auth/ticket"): "writes nothing",
    ("POST", "/v1/rules/try"): "writes nothing",
    ("POST", "/v1/webhooks/{webhook_id}/test"): "writes nothing but a delivery",
    ("POST", "/v1/channels/{channel_id}/test"): "writes nothing but a delivery",
    ("PATCH", "/v1/notifications/{seq}"): "reading is no change",
    ("POST", "/v1/notifications/read-all"): "reading is no change",
    ("DELETE", "/v1/me"): "the trail goes with the account; the log keeps the end of it",
}

PLAIN_FIELDS = frozenset({"role", "scopes", "expires_at", "is_active", "is_admin", "kinds", "state"})
"""Fields whose new value may stand in the trail: what somebody may do, until when. Of others the name."""

UUID_IN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Entry(Struct, frozen=True):
    """What the trail will say of the request under way, once its transaction has a result."""

    name: str
    req: Request
    params: Mapping[str, Any]

    def action(self, result: Any) -> Action:
        principal = self.req.context.principal
        return Action(
            user_id=principal.user_id,
            actor_id=principal.user_id,
            name=self.name,
            object_id=self._object_id(result),
            changes=self._changes(),
            origin=origin_of(self.req),
        )

    def _object_id(self, result: Any) -> UUID | None:
        """The thing that the route names last, else the one that was made."""
        named = [value for value in self.params.values() if isinstance(value, UUID)]
        if self.req.method != "POST" or self.name.partition(".")[2] != "created":
            return named[-1] if named else None
        location = getattr(result, "location", None)
        found = UUID_IN.findall(location) if location else ()
        made = UUID(found[-1]) if found else getattr(result, "id", None)
        return made if isinstance(made, UUID) else (named[-1] if named else None)

    def _changes(self) -> dict[str, Any]:
        given = getattr(self.req.context, "json", None)
        if given is None or (self.req.method == "POST" and "scopes" not in given.__struct_fields__):
            return {}
        fields = {name: getattr(given, name) for name in given.__struct_fields__}
        return {
            name: value if name in PLAIN_FIELDS else None
            for name, value in fields.items()
            if value is not UNSET
        }


_current: ContextVar[Entry | None] = ContextVar("audit_entry", default=None)


class AuditTrail:
    """Falcon middleware, behind authentication: notes what the request is called in the trail."""

    async def process_resource(self, req: Request, _resp: Response, _resource: Any, params: Any) -> None:
        name = action_of(req.method, req.uri_template or "")
        _current.set(None if name is None else Entry(name, req, params))


def take_entry() -> Entry | None:
    """Of the request under way, once; None when it writes nothing that the trail is about."""
    entry = _current.get()
    _current.set(None)
    return entry


@cache
def action_of(method: str, template: str) -> str | None:
    return ACTIONS.get((method, re.sub(r":[^}]*", "", template)))


def origin_of(req: Request) -> Origin:
    principal = getattr(req.context, "principal", None)
    session_id = None if principal is None or principal.session_id == NOBODY else principal.session_id
    return Origin(session_id, address_text(req.remote_addr), getattr(req.context, "request_id", None))
