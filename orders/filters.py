from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet, TextChoices
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from core.exceptions import InvalidParameterError
from orders.models import Order

_MAX_EMAIL_CHARS = 254


def _choice(choices: type[TextChoices]) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if text not in choices.values:
            known = ", ".join(choices.values)
            raise InvalidParameterError(f"Give one of {known}.", parameter=name)
        return text

    return read


def _instant(name: str, text: str) -> datetime:
    try:
        instant = parse_datetime(text)
    except ValueError:
        instant = None
    if instant is None or is_naive(instant):
        raise InvalidParameterError(
            "Give an instant such as 2026-11-20T12:00:00Z.", parameter=name
        )
    return instant


def _email(name: str, text: str) -> str:
    if len(text) > _MAX_EMAIL_CHARS or "\x00" in text:
        raise InvalidParameterError("That is no address.", parameter=name)
    return text


ORDER_FILTERS: Mapping[str, tuple[str, Callable[[str, str], Any]]] = {
    "status": ("status", _choice(Order.Status)),
    "payment_status": ("payment_status", _choice(Order.PaymentStatus)),
    "fulfillment_status": ("fulfillment_status", _choice(Order.FulfillmentStatus)),
    "email": ("email__iexact", _email),
    "placed_after": ("placed_at__gte", _instant),
    "placed_before": ("placed_at__lt", _instant),
}


def filter_orders(
    orders: QuerySet[Order], parameters: Mapping[str, str]
) -> QuerySet[Order]:
    """Narrow the list by what the address says.

    :raises InvalidParameterError: for a value that the filter can't have.
    """
    wanted = Q()
    for name, (lookup, read) in ORDER_FILTERS.items():
        if name in parameters:
            wanted &= Q(**{lookup: read(name, parameters[name])})
    return orders.filter(wanted)
