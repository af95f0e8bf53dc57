"""What the workers run for accounts."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from accounts import services


@shared_task
def rotate_signing_key(**_: Any) -> None:
    services.rotate_signing_key_if_due(now=timezone.now())
