"""Recording, confirming, disputing and reversing settlements. Only confirmed ones are in the ledger."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from msgspec import structs
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, FieldError, Forbidden, InvalidInput, invalid
from core.ids import new_id
from core.models import Settlement, table_of
from core.queries.groups import GroupLock, GroupScope, MemberRecord, open_group
from core.queries.ledger import balances_of_members
from core.queries.settlements import SettlementRecord, SettlementState, load_settlement
from core.queries.users import local_today
from core.rules.debts import Transfer
from core.rules.money import AmountError, is_currency, parse_amount
from core.rules.periods import MAX_DAY, MIN_DAY, is_supported
from core.rules.roles import is_at_least
from core.services.ledger import Entry, post_entries, refusing_large_balances
from core.services.report_upkeep import mark_stale
from core.services.settlement_notices import announce

SETTLEMENTS = table_of(Settlement)
INSERT = insert(SETTLEMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSettlement:
    """A repayment as a client gives it: `amount` as written; None for what is left to the defaults."""

    to_member_id: UUID
    amount: str
    from_member_id: UUID | None = None
    currency: str | None = None
    method: str | None = None
    note: str | None = None
    paid_on: date | None = None


@dataclass(frozen=True, slots=True)
class _Opened:
    """A settlement in its group, both locked until the transaction ends."""

    scope: GroupScope
    settlement: SettlementRecord

    @property
    def receiver(self) -> MemberRecord:
        return self.scope.members[self.settlement.to_member_id]

    @property
    def is_party(self) -> bool:
        return self.scope.me.id in self.settlement.parties


def record_settlement(
    session: Session, *, user_id: UUID, group_id: UUID, settlement: NewSettlement
) -> SettlementRecord:
    """Record a payment between two members, by whichever member.

    It is confirmed at once if its receiver records it, or has no account and so could never confirm it.

    Raises:
        NotFound, Forbidden, InvalidInput
        Conflict: one of the two has left the group, or the balance would be larger than can be kept.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id, least="member", lock=GroupLock.LEDGER)
    currency = settlement.currency or scope.group.currency
    paid_on = settlement.paid_on or local_today(session, user_id=user_id)
    payer, receiver = _payer_and_receiver(scope, settlement)
    amount = _checked_amount(settlement.amount, currency)
    if not is_supported(paid_on):
        raise invalid("/paid_on", f"must be between {MIN_DAY} and {MAX_DAY}")
    _require_present(scope, payer.id, receiver.id)
    is_confirmed = receiver.user_id is None or receiver.id == scope.me.id
    now = clock.now()
    record = SettlementRecord(
        group_id=group_id,
        id=new_id(),
        from_member_id=payer.id,
        to_member_id=receiver.id,
        amount_minor=amount,
        currency=currency,
        overpaid_minor=max(0, amount - _owed(session, group_id, payer.id, currency)),
        method=settlement.method,
        note=settlement.note,
        paid_on=paid_on,
        state="confirmed" if is_confirmed else "pending",
        recorded_by=scope.me.id,
        entry_count=1 if is_confirmed else 0,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.execute(INSERT, structs.asdict(record))
    if is_confirmed:
        _post(session, payment_entry(record))
    announce(session, scope, record, "settlement.recorded")
    if is_confirmed:
        _mark_stale(session, scope, record)
    return record


def confirm_settlement(
    session: Session, *, user_id: UUID, group_id: UUID, settlement_id: UUID
) -> SettlementRecord:
    """Say that the payment has come in: the receiver does, or an admin where the receiver has no account.

    Raises:
        NotFound, Forbidden
        Conflict: it was reversed, or one of the two has left the group.
    """
    opened = _open(session, user_id, group_id, settlement_id)
    me, receiver = opened.scope.me, opened.receiver
    has_stand_in = receiver.user_id is None and is_at_least(me.role, "admin")
    if me.id != receiver.id and not has_stand_in:
        raise Forbidden("only who received the payment may confirm it")
    return _move(session, opened, "confirmed", allowed={"pending", "disputed"})


def dispute_settlement(
    session: Session, *, user_id: UUID, group_id: UUID, settlement_id: UUID
) -> SettlementRecord:
    """Say that there was no such payment; it counts no longer.

    A pending one its receiver disputes, one that was confirmed whichever side has not recorded it.

    Raises:
        NotFound, Forbidden
        Conflict: it was reversed, or it counts and one of the two has left the group.
    """
    opened = _open(session, user_id, group_id, settlement_id)
    me, settlement = opened.scope.me, opened.settlement
    if settlement.entry_count:
        if not opened.is_party or me.id == settlement.recorded_by:
            raise Forbidden("only the side that has not recorded the payment may dispute it")
    elif me.id != settlement.to_member_id:
        raise Forbidden("only who is said to have received the payment may dispute it")
    return _move(session, opened, "disputed", allowed={"pending", "confirmed"})


def reverse_settlement(
    session: Session, *, user_id: UUID, group_id: UUID, settlement_id: UUID
) -> SettlementRecord:
    """Take it back for good: either side may, or an admin.

    Raises:
        NotFound, Forbidden
        Conflict: it counts and one of the two has left the group.
    """
    opened = _open(session, user_id, group_id, settlement_id)
    if not opened.is_party:
        opened.scope.require("admin")
    return _move(session, opened, "reversed", allowed={"pending", "confirmed", "disputed"})


def _open(session: Session, user_id: UUID, group_id: UUID, settlement_id: UUID) -> _Opened:
    """Viewers too: whether money has reached them is for nobody else to say."""
    scope = open_group(session, user_id=user_id, group_id=group_id, lock=GroupLock.LEDGER)
    settlement = load_settlement(session, group_id=group_id, settlement_id=settlement_id, for_update=True)
    return _Opened(scope, settlement)


def _move(
    session: Session, opened: _Opened, state: SettlementState, *, allowed: set[SettlementState]
) -> SettlementRecord:
    """Bring it into the state, also in the ledger; nothing happens if it is there already."""
    scope, before = opened.scope, opened.settlement
    if before.state == state:
        return before
    if before.state not in allowed:
        raise Conflict(f"the settlement is {before.state}, so it cannot become {state}")
    is_posted = "confirmed" in (before.state, state)
    if is_posted:
        _require_present(scope, *before.parties)
    after = structs.replace(
        before,
        state=state,
        entry_count=before.entry_count + is_posted,
        version=before.version + 1,
        updated_at=clock.now(),
    )
    _update(session, after)
    if is_posted:
        entry = payment_entry(after)
        _post(session, entry if state == "confirmed" else entry.reversed(after.entry_count))
    announce(session, scope, after, f"settlement.{state}")
    if is_posted:
        _mark_stale(session, scope, after)
    return after


def _update(session: Session, settlement: SettlementRecord) -> None:
    changed: dict[str, Any] = {
        name: getattr(settlement, name) for name in ("state", "entry_count", "version", "updated_at")
    }
    session.execute(
        update(SETTLEMENTS)
        .where(SETTLEMENTS.c.group_id == settlement.group_id, SETTLEMENTS.c.id == settlement.id)
        .values(changed)
    )


def payment_entry(settlement: SettlementRecord) -> Entry:
    """What was paid to somebody they owe from then on, or it is what they were owed."""
    owed = Transfer(settlement.to_member_id, settlement.from_member_id, settlement.amount_minor)
    return Entry(
        group_id=settlement.group_id,
        source_kind="settlement",
        source_id=settlement.id,
        number=settlement.entry_count,
        currency=settlement.currency,
        debts=(owed,),
    )


def _post(session: Session, entry: Entry) -> None:
    with refusing_large_balances():
        post_entries(session, [entry])


def _mark_stale(session: Session, scope: GroupScope, settlement: SettlementRecord) -> None:
    """Both sides' balances have moved since that day."""
    users = (scope.members[member_id].user_id for member_id in settlement.parties)
    mark_stale(session, {user_id: settlement.paid_on for user_id in users if user_id is not None})


def _payer_and_receiver(scope: GroupScope, given: NewSettlement) -> tuple[MemberRecord, MemberRecord]:
    payer = scope.me if given.from_member_id is None else scope.members.get(given.from_member_id)
    receiver = scope.members.get(given.to_member_id)
    if payer is None or receiver is None:
        named = {"/from_member_id": payer, "/to_member_id": receiver}
        raise InvalidInput(*(FieldError(at, "no such member") for at, one in named.items() if one is None))
    if payer is receiver:
        raise invalid("/to_member_id", "is who pays, too")
    return payer, receiver


def _require_present(scope: GroupScope, *member_ids: UUID) -> None:
    for member_id in member_ids:
        if scope.present(member_id) is None:
            raise Conflict(f"{scope.members[member_id].display_name} has left the group")


def _checked_amount(text: str, currency: str) -> int:
    if not is_currency(currency):
        raise invalid("/currency", "not an active ISO 4217 currency code")
    try:
        amount = parse_amount(text, currency)
    except AmountError as error:
        raise invalid("/amount", str(error)) from error
    if amount <= 0:
        raise invalid("/amount", "must be above zero")
    return amount


def _owed(session: Session, group_id: UUID, member_id: UUID, currency: str) -> int:
    """What the member owes in all."""
    balances = balances_of_members(session, group_ids=[group_id], member_ids=[member_id])
    return max(0, -balances.get((group_id, currency, member_id), 0))
