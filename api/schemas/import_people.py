"""The people of a file of shared expenses, and what its rows say of them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.common import Amount, Currency, Id
from core.queries.imports import ImportRecord, NamedPerson
from core.rules.money import format_amount

PersonName = Annotated[str, Meta(description="As in the file.", examples=["Grace"])]


class PersonBalanceOut(msgspec.Struct):
    currency: Currency
    amount: Annotated[Amount, Meta(description="Above zero: is owed.")]


class PersonOut(msgspec.Struct):
    """Somebody in the file, and who in the group that is unless the commit says otherwise."""

    name: PersonName
    member_id: Annotated[
        Id | None,
        Meta(description="The member of that name; null: one without an account is created."),
    ]
    balances: Annotated[
        list[PersonBalanceOut],
        Meta(description="What the rows that can be recorded come to for them; who is even is left out."),
    ]
    repayments: Annotated[int, Meta(description="Repayments that they have received.", examples=[2])]
    confirms_repayments: Annotated[
        bool,
        Meta(
            description="They have an account of their own: repayments to them count once they have "
            "confirmed each, and until then the balances are not those of the file.",
            examples=[False],
        ),
    ]

    @classmethod
    def of(cls, person: NamedPerson, record: ImportRecord) -> "PersonOut":
        """Once it is committed, with whom they have become."""
        settled = None if record.members is None else record.members.ids.get(person.name)
        balances = [
            PersonBalanceOut(currency, format_amount(minor, currency))
            for currency, minor in person.balances.items()
        ]
        return cls(person.name, settled or person.member_id, balances, person.repayments, person.is_asked)
