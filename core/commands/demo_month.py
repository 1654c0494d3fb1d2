"""A month of a made-up person: the expenses that `make demo` plays, and the budgets they run into."""

from dataclasses import dataclass
from decimal import Decimal

GROCERIES = "Groceries"

THRESHOLDS = (50, 80, 100)


@dataclass(frozen=True, slots=True)
class Plan:
    """A monthly budget over one category, or over all spending."""

    name: str
    limit: Decimal
    category: str | None


PLANS = (
    Plan("All spending", Decimal("2000.00"), None),
    Plan(GROCERIES, Decimal("300.00"), GROCERIES),
)


@dataclass(frozen=True, slots=True)
class Purchase:
    payee: str
    category: str
    amount: Decimal


# Each threshold of both budgets is crossed once, and never two by one purchase.
MONTH = tuple(
    Purchase(payee, category, Decimal(amount))
    for payee, category, amount in (
        ("Lindenhof Housing", "Rent or mortgage", "780.00"),
        ("Green Market", GROCERIES, "48.20"),
        ("Café Morgenrot", "Coffee", "3.90"),
        ("City Transit", "Public transport", "58.00"),
        ("Fibre & Phone", "Internet and phone", "34.95"),
        ("Green Market", GROCERIES, "61.75"),
        ("Trattoria Lucia", "Restaurants", "27.50"),
        ("Old Bridge Pharmacy", "Health", "14.80"),
        ("Corner Shop", GROCERIES, "52.40"),
        ("Rex Cinema", "Leisure", "24.00"),
        ("Municipal Power", "Electricity", "71.30"),
        ("Ring Road Fuel", "Fuel", "55.10"),
        ("Green Market", GROCERIES, "39.90"),
        ("Nord Outfitters", "Clothing", "89.95"),
        ("Mutual Household Cover", "Insurance", "64.00"),
        ("Saturday Market", GROCERIES, "44.60"),
        ("Streamland", "Subscriptions", "12.99"),
        ("Noodle House", "Restaurants", "63.80"),
        ("Hammer & Nail", "Household", "49.00"),
        ("Café Morgenrot", "Coffee", "4.20"),
        ("Paper Boat Books", "Gifts and donations", "35.00"),
        ("Green Market", GROCERIES, "57.35"),
        ("Coastal Railways", "Travel", "139.00"),
        ("Evening School", "Education", "79.00"),
        ("Philharmonic", "Leisure", "68.00"),
        ("Trattoria Lucia", "Restaurants", "41.50"),
        ("Corner Shop", GROCERIES, "21.15"),
    )
)
