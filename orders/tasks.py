from typing import Any

from celery import shared_task
from django.utils import timezone

from orders import services


@shared_task
def settle_payments(**_: Any) -> None:
    """Ask about payments whose outcome was lost, and repeat reversals that failed."""
    services.settle_payments(now=timezone.now())
