from typing import Any

from celery import shared_task

from catalog import services


@shared_task
def recount_search_words(**_: Any) -> None:
    services.recount_search_words()
