"""Open the demo shop: people, goods, shipping and two months of orders, all or nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django.contrib.auth.models import Group
from django.db import connection, transaction

from accounts.constants import API_KEY_LONGEST_LIFETIME
from accounts.models import User
from accounts.services import add_address, create_api_key
from config.demo import ACCOUNTS, KEY_NAME, KEY_SCOPES, PASSWORD, api_key
from config.demo.goods import seed_goods, sell_out
from config.demo.history import demo_address, seed_orders
from orders.models import ShippingOption, ShippingRate

SEED = 20260
SHIPPING = (
    ("standard", "Standard, 3 to 5 days", {"EUR": 490, "USD": 590}),
    ("express", "Express, next day", {"EUR": 1290, "USD": 1490}),
)
CUSTOMERS = (
    "Ada Lindqvist",
    "Bruno Castelli",
    "Clara Hoffmann",
    "Diego Marín",
    "Elif Aydemir",
    "Freya Nilsen",
    "Goran Petrović",
    "Hana Sato",
    "Ines Carvalho",
    "Jonas Weber",
    "Kofi Mensah",
    "Léa Moreau",
)


@dataclass(frozen=True, slots=True)
class Summary:
    products: int
    variants: int
    customers: int
    orders: int


@transaction.atomic
def open_demo_shop(*, now: datetime) -> Summary:
    """Fill an empty database. The same ``now`` gives the same shop, but for its ids."""
    random = Random(SEED)  # noqa: S311 -- deterministic on purpose, guards nothing
    _staff(now)
    _machine(now)
    people = _customers(now)
    _shipping()
    variants = seed_goods(random=random, now=now - timedelta(days=90))
    _addresses(people, now)
    orders = seed_orders(people=people, random=random, now=now)
    sell_out(variants, random=random, now=now)
    _continue_order_numbers(orders)
    return Summary(
        products=len({variant.product_id for variant in variants}),
        variants=len(variants),
        customers=len(people),
        orders=orders,
    )


def _staff(now: datetime) -> None:
    for email, role in ACCOUNTS.items():
        is_staff = role != "customer"
        user = User.objects.create_user(
            email,
            PASSWORD,
            name=f"Demo {role.replace('_', ' ')}",
            is_staff=is_staff,
            is_superuser=role == "admin",
            email_verified_at=now,
        )
        user.groups.add(Group.objects.get(name=role))


def _machine(now: datetime) -> None:
    create_api_key(
        name=KEY_NAME,
        scopes=KEY_SCOPES,
        actor=User.objects.get(is_superuser=True, email__in=ACCOUNTS),
        now=now,
        expires_at=now + API_KEY_LONGEST_LIFETIME,
        token=api_key(),
    )


def _customers(now: datetime) -> list[User]:
    people = User.objects.bulk_create(
        User(
            email=f"{name.split()[0].lower()}@example.com",
            # Nobody signs in as them: an unusable password, and no hashing at seed time.
            password="!",  # noqa: S106 -- marks it as unusable
            name=name,
            email_verified_at=now - timedelta(days=80),
            created_at=now - timedelta(days=80),
        )
        for name in CUSTOMERS
    )
    customer = Group.objects.get(name="customer")
    customer.user_set.add(*people)
    return people


def _addresses(people: list[User], now: datetime) -> None:
    shopper = User.objects.get(email="customer@example.com")
    for number, person in enumerate([*people, shopper]):
        # Every third has a second one, for parcels.
        for place in range(2 if number % 3 == 0 else 1):
            add_address(
                user_id=person.pk,
                fields=demo_address(person, number + place),
                device=None,
                now=now - timedelta(days=79),
            )


def _shipping() -> None:
    for position, (code, name, amounts) in enumerate(SHIPPING):
        option = ShippingOption.objects.create(code=code, name=name, position=position)
        ShippingRate.objects.bulk_create(
            ShippingRate(option=option, currency=currency, amount=amount)
            for currency, amount in amounts.items()
        )


def _continue_order_numbers(count: int) -> None:
    """Let the next real order follow the last one of the demo."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('orders_order_number', %s)", [100_000 + count])
