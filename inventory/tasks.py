from typing import Any

from celery import shared_task
from django.utils import timezone

from inventory import services
from inventory.constants import SWEEP_BATCH


@shared_task
def sweep_reservations(**_: Any) -> None:
    while (
        services.expire_reservations(now=timezone.now(), limit=SWEEP_BATCH)
        == SWEEP_BATCH
    ):
        pass
