from typing import Any
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from catalog import imports, services


@shared_task
def recount_search_words(**_: Any) -> None:
    services.recount_search_words()


@shared_task
def run_import(*, job_id: str, **_: Any) -> None:
    imports.run_job(job_id=UUID(job_id), clock=timezone.now)


@shared_task
def resume_imports(**_: Any) -> None:
    imports.resume_imports(now=timezone.now())
