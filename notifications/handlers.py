from uuid import UUID

from django.utils import timezone

from accounts.events import (
    FactorAdded,
    FactorRemoved,
    IdentityLinked,
    IdentityUnlinked,
    PasskeyCounterRegressed,
    RecoveryCodeUsed,
    SignInsGuessed,
)
from core.events import Delivered, subscribe
from notifications import services
from notifications.constants import (
    FACTOR_ADDED,
    FACTOR_REMOVED,
    IDENTITY_LINKED,
    IDENTITY_UNLINKED,
    ORDER_PLACED,
    PASSKEY_COPIED,
    RECOVERY_CODE_USED,
    SIGN_INS_GUESSED,
    Kind,
)
from notifications.events import DeliveryQueued
from orders.events import OrderPlaced


@subscribe(OrderPlaced)
def notify_of_order(delivered: Delivered) -> None:
    user_id = delivered.payload["user_id"]
    services.notify(
        event_id=delivered.event_id,
        kind=ORDER_PLACED,
        subject_id=UUID(delivered.payload["order_id"]),
        recipient_id=UUID(user_id) if user_id else None,
    )


@subscribe(FactorAdded)
def notify_of_added_factor(delivered: Delivered) -> None:
    _tell_owner(delivered, FACTOR_ADDED)


@subscribe(FactorRemoved)
def notify_of_removed_factor(delivered: Delivered) -> None:
    _tell_owner(delivered, FACTOR_REMOVED)


@subscribe(RecoveryCodeUsed)
def notify_of_used_recovery_code(delivered: Delivered) -> None:
    _tell_owner(delivered, RECOVERY_CODE_USED)


@subscribe(PasskeyCounterRegressed)
def notify_of_copied_passkey(delivered: Delivered) -> None:
    _tell_owner(delivered, PASSKEY_COPIED)


@subscribe(IdentityLinked)
def notify_of_linked_identity(delivered: Delivered) -> None:
    _tell_owner(delivered, IDENTITY_LINKED)


@subscribe(IdentityUnlinked)
def notify_of_unlinked_identity(delivered: Delivered) -> None:
    _tell_owner(delivered, IDENTITY_UNLINKED)


@subscribe(SignInsGuessed)
def notify_of_guessed_sign_ins(delivered: Delivered) -> None:
    _tell_owner(delivered, SIGN_INS_GUESSED)


def _tell_owner(delivered: Delivered, kind: Kind) -> None:
    user_id = UUID(delivered.payload["user_id"])
    services.notify(
        event_id=delivered.event_id,
        kind=kind,
        subject_id=user_id,
        recipient_id=user_id,
    )


# A mail server's answer can't be rolled back, so no transaction pretends to.
@subscribe(DeliveryQueued, transactional=False)
def send_queued_delivery(delivered: Delivered) -> None:
    services.send_delivery(
        delivery_id=UUID(delivered.payload["delivery_id"]), now=timezone.now()
    )
