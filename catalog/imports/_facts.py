from collections.abc import Iterable, Iterator

from catalog.events import PriceChanged, ProductPublished
from catalog.imports._planning import Change
from catalog.models import Product
from core.events import Event


def facts_of(changes: Iterable[Change], *, currency: str) -> Iterator[Event]:
    """Yield what others may want to know: products that are shown now, other prices.

    The prices of a product that is new itself are no news.
    """
    for change in changes:
        if _is_shown(change):
            yield ProductPublished(product_id=change.after.id)
        if change.before is not None:
            yield from _prices_of(change, currency)


def _is_shown(change: Change) -> bool:
    was_active = (
        change.before is not None
        and change.before.fields.status == Product.Status.ACTIVE
    )
    return change.after.fields.status == Product.Status.ACTIVE and not was_active


def _prices_of(change: Change, currency: str) -> Iterator[PriceChanged]:
    known = change.before.prices if change.before else {}
    for variant_id, price in change.after.prices.items():
        previous = known.get(variant_id)
        if previous is None or previous.amount != price.amount:
            yield PriceChanged(
                variant_id=variant_id,
                product_id=change.after.id,
                currency=currency,
                amount=price.amount,
                previous_amount=previous.amount if previous else None,
            )
