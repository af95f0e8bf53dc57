from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from catalog.tests.factories import make_variant
from inventory.tests.factories import make_stock
from orders.models import ShippingOption, ShippingRate

_serial = count(1)

ADDRESS = {
    "full_name": "Alice Liddell",
    "line1": "1 Tom Quad",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}


def make_shipping_option(
    *,
    rates: Mapping[str, int] | None = None,
    countries: Iterable[str] = (),
    **fields: Any,
) -> ShippingOption:
    """Make a flat rate, 4.90 EUR to everywhere where nothing else is named."""
    code = fields.pop("code", f"option-{next(_serial)}")
    option = ShippingOption.objects.create(
        code=code,
        name=fields.pop("name", code.capitalize()),
        countries=list(countries),
        **fields,
    )
    amounts = {"EUR": 490} if rates is None else rates
    ShippingRate.objects.bulk_create(
        ShippingRate(option=option, currency=currency, amount=amount)
        for currency, amount in amounts.items()
    )
    return option


def make_goods(*, on_hand: int = 10, **fields: Any):
    """Make a variant that is for sale, with units on the shelf of the main warehouse."""
    variant = make_variant(**fields)
    make_stock(variant, on_hand=on_hand)
    return variant
