"""What the workers run for accounts."""

from typing import Any
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from accounts import services


@shared_task
def rotate_signing_key(**_: Any) -> None:
    services.rotate_signing_key_if_due(now=timezone.now())


@shared_task
def run_export(*, export_id: str, **_: Any) -> None:
    services.run_export(
        export_id=UUID(export_id), shop=settings.SHOP_NAME, clock=timezone.now
    )


@shared_task
def resume_exports(**_: Any) -> None:
    services.resume_exports(now=timezone.now())


@shared_task
def erase_due_people(**_: Any) -> None:
    services.erase_due(now=timezone.now())


@shared_task
def forget_ceremonies(**_: Any) -> None:
    services.forget_ceremonies(now=timezone.now())
