from typing import Any

from celery import shared_task
from django.utils import timezone

from orders import services


@shared_task
def settle_payments(**_: Any) -> None:
    """Ask about payments whose outcome was lost, and repeat reversals that failed."""
    services.settle_payments(now=timezone.now())


# It reads every order and every row of stock.
@shared_task(soft_time_limit=15 * 60, time_limit=16 * 60)
def check_ledger(**_: Any) -> None:
    services.check_ledger(now=timezone.now())
