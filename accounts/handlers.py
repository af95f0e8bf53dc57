from uuid import UUID

from django.utils import timezone

from accounts import services
from accounts.events import AccountRequested
from core.events import Delivered, subscribe


@subscribe(AccountRequested)
def answer_account_request(delivered: Delivered) -> None:
    services.answer_request(
        request_id=UUID(delivered.payload["request_id"]), now=timezone.now()
    )
