from uuid import UUID

from falcon.asgi import Request, Response
from msgspec import UnsetType
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.schemas.conditions import condition_document
from api.schemas.expense_rules import RuleIn, RuleOut, RulePage, RulePatch, TrialIn, TrialOut
from core.errors import FieldError, InvalidInput
from core.queries.expense_rules import active_rules, list_rules, load_rule
from core.queries.expenses import ExpenseFilter
from core.queries.rule_trials import try_rules
from core.rules.expense_rules import Rule
from core.services import expense_rules

TAG = "Rules"


class Rules:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: RulePage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the rules in the order in which they run."""
        user_id = req.context.principal.user_id
        rules = await self._transactions.read_rows(lambda rows: list_rules(rows, user_id=user_id))
        ok(RulePage([RuleOut.of(rule) for rule in rules])).send(resp)

    @endpoint(TAG, json=RuleIn, answers={201: RuleOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Create a rule that sets category, payee and tags on new expenses.

        Rules run in their order; each sees the payee that those before it have set. A category is filled in
        where the client gave none, by the first rule that names one; tags add up.
        """
        user_id = req.context.principal.user_id
        new = req.context.json.to_new_rule()

        def create(session: Session) -> Answer:
            rule = expense_rules.create_rule(session, user_id=user_id, rule=new)
            return created(RuleOut.of(rule), location=f"/v1/rules/{rule.id}", version=rule.version)

        (await self._transactions.post(req, user_id, create)).send(resp)


class OneRule:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: RuleOut})
    async def on_get(self, req: Request, resp: Response, rule_id: UUID) -> None:
        """Read a rule."""
        user_id = req.context.principal.user_id
        rule = await self._transactions.read_rows(
            lambda rows: load_rule(rows, user_id=user_id, rule_id=rule_id)
        )
        ok(RuleOut.of(rule), version=rule.version).send(resp)

    @endpoint(TAG, json=RulePatch, answers={200: RuleOut})
    async def on_patch(self, req: Request, resp: Response, rule_id: UUID) -> None:
        """Change a rule, or move it to another position."""
        user_id = req.context.principal.user_id
        changes = req.context.json.to_changes()
        rule = await self._transactions.write(
            lambda session: expense_rules.change_rule(
                session,
                user_id=user_id,
                rule_id=rule_id,
                changes=changes,
                expected_versions=expected_versions(req),
            )
        )
        ok(RuleOut.of(rule), version=rule.version).send(resp)

    @endpoint(TAG, answers={204: None})
    async def on_delete(self, req: Request, resp: Response, rule_id: UUID) -> None:
        """Delete a rule; what it has set stays."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: expense_rules.delete_rule(
                session, user_id=user_id, rule_id=rule_id, expected_versions=expected_versions(req)
            )
        )
        no_content().send(resp)


class RuleTrial:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=TrialIn, answers={200: TrialOut}, conflicts=False, is_idempotent=False)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Try a rule, or all active ones, on old expenses, without changing anything."""
        user_id = req.context.principal.user_id
        given: TrialIn = req.context.json

        def try_them(session: Session) -> Answer:
            trial = try_rules(
                session,
                user_id=user_id,
                rules=_rules_to_try(session, user_id, given),
                filters=ExpenseFilter(from_day=given.from_day, to_day=given.to_day),
                limit=given.limit,
                ignores_categories=given.ignore_categories,
            )
            return ok(TrialOut.of(trial))

        (await self._transactions.read(try_them)).send(resp)


def _rules_to_try(session: Session, user_id: UUID, given: TrialIn) -> list[Rule]:
    if isinstance(given.when, UnsetType) and isinstance(given.then, UnsetType):
        return active_rules(session, user_ids=[user_id]).get(user_id, [])
    if isinstance(given.when, UnsetType) or isinstance(given.then, UnsetType):
        missing = "/when" if isinstance(given.when, UnsetType) else "/then"
        raise InvalidInput(FieldError(missing, "a rule has both when and then"))
    when, then = condition_document(given.when), given.then.to_action()
    return [expense_rules.checked_rule(session, user_id=user_id, when=when, then=then)]
