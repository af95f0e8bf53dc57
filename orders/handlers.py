from uuid import UUID

from django.utils import timezone

from catalog import services as catalog_services
from core.events import Delivered, subscribe
from orders import selectors, services
from orders.events import OrderPlaced, PaymentReversalRequested


@subscribe(OrderPlaced)
def count_sales(delivered: Delivered) -> None:
    catalog_services.record_sales(
        quantities=selectors.sold_quantities(UUID(delivered.payload["order_id"]))
    )


# It calls the provider, so no transaction may be open around it.
@subscribe(PaymentReversalRequested, transactional=False)
def reverse_payment(delivered: Delivered) -> None:
    services.reverse_payment(
        payment_id=UUID(delivered.payload["payment_id"]), now=timezone.now()
    )
