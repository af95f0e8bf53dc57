from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from catalog.events import ProductPublished
from catalog.exceptions import ProductTransitionError
from catalog.models import Product
from catalog.services._cards import lock_products, refresh_cards
from catalog.services._integrity import find, note
from core.events import publish

Status = Product.Status
TRANSITIONS: dict[Status, set[Status]] = {
    Status.DRAFT: {Status.ACTIVE, Status.ARCHIVED},
    Status.ACTIVE: {Status.ARCHIVED},
    Status.ARCHIVED: {Status.ACTIVE},
}


@transaction.atomic
def publish_product(pk: UUID, *, now: datetime, actor_id: UUID | None) -> None:
    """Show a product to everyone; its first time counts as its date.

    :raises ProductTransitionError: where it is shown already.
    """
    _move(pk, Status.ACTIVE, now=now, actor_id=actor_id)
    publish(ProductPublished(product_id=pk))


@transaction.atomic
def archive_product(pk: UUID, *, now: datetime, actor_id: UUID | None) -> None:
    """Take a product out of the shop, and keep it.

    :raises ProductTransitionError: where it is out already.
    """
    _move(pk, Status.ARCHIVED, now=now, actor_id=actor_id)


def _move(pk: UUID, to: Status, *, now: datetime, actor_id: UUID | None) -> None:
    lock_products([pk])
    product = find(Product.objects.all(), pk=pk)
    current = Status(product.status)
    if to not in TRANSITIONS[current]:
        raise ProductTransitionError(current, to)
    published_at = (
        Coalesce(F("published_at"), Value(now))
        if to is Status.ACTIVE
        else F("published_at")
    )
    rows = Product.objects.filter(pk=pk, status=current).update(
        status=to, published_at=published_at, version=F("version") + 1, updated_at=now
    )
    if not rows:
        raise ProductTransitionError(current, to)
    note(
        product,
        "moved",
        before={"status": current.value},
        after={"status": to.value},
        actor_id=actor_id,
    )
    refresh_cards(product_ids=[pk])
