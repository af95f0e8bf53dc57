from uuid import UUID

from django.utils import timezone

from accounts.events import (
    AccountExists,
    AccountLinkRequested,
    CodesGuessed,
    EmailChanged,
    ErasureCanceled,
    ErasureRequested,
    FactorAdded,
    FactorRemoved,
    FactorsReset,
    IdentityLinked,
    IdentityUnlinked,
    NewDeviceLogin,
    PasskeyCounterRegressed,
    PasswordChanged,
    RecoveryCodeUsed,
    RefreshReuseDetected,
    SignInsGuessed,
)
from core.events import Delivered, subscribe
from notifications import services
from notifications.constants import (
    ACCOUNT_EXISTS,
    CHANGE_EMAIL,
    CODES_GUESSED,
    EMAIL_CHANGED,
    ERASURE_CANCELED,
    ERASURE_REQUESTED,
    FACTOR_ADDED,
    FACTOR_REMOVED,
    FACTORS_RESET,
    IDENTITY_LINKED,
    IDENTITY_UNLINKED,
    NEW_DEVICE,
    ORDER_PLACED,
    PASSKEY_COPIED,
    PASSWORD_CHANGED,
    RECOVERY_CODE_USED,
    REFRESH_REUSED,
    RESET_PASSWORD,
    SIGN_INS_GUESSED,
    VERIFY_EMAIL,
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


_LINKS = {kind.slug: kind for kind in (VERIFY_EMAIL, RESET_PASSWORD, CHANGE_EMAIL)}


@subscribe(AccountLinkRequested)
def notify_of_link(delivered: Delivered) -> None:
    _tell_owner(delivered, _LINKS[delivered.payload["purpose"]], subject="token_id")


@subscribe(EmailChanged)
def notify_of_changed_address(delivered: Delivered) -> None:
    _tell_owner(delivered, EMAIL_CHANGED, subject="token_id")


@subscribe(AccountExists)
def notify_of_existing_account(delivered: Delivered) -> None:
    _tell_owner(delivered, ACCOUNT_EXISTS)


@subscribe(PasswordChanged)
def notify_of_changed_password(delivered: Delivered) -> None:
    _tell_owner(delivered, PASSWORD_CHANGED)


@subscribe(NewDeviceLogin)
def notify_of_new_device(delivered: Delivered) -> None:
    _tell_owner(delivered, NEW_DEVICE, subject="session_id")


@subscribe(RefreshReuseDetected)
def notify_of_reused_token(delivered: Delivered) -> None:
    _tell_owner(delivered, REFRESH_REUSED, subject="session_id")


@subscribe(FactorAdded)
def notify_of_added_factor(delivered: Delivered) -> None:
    _tell_owner(delivered, FACTOR_ADDED)


@subscribe(FactorRemoved)
def notify_of_removed_factor(delivered: Delivered) -> None:
    _tell_owner(delivered, FACTOR_REMOVED)


@subscribe(FactorsReset)
def notify_of_reset_factors(delivered: Delivered) -> None:
    _tell_owner(delivered, FACTORS_RESET)


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


@subscribe(CodesGuessed)
def notify_of_guessed_codes(delivered: Delivered) -> None:
    _tell_owner(delivered, CODES_GUESSED)


@subscribe(ErasureRequested)
def notify_of_erasure(delivered: Delivered) -> None:
    _tell_owner(delivered, ERASURE_REQUESTED)


@subscribe(ErasureCanceled)
def notify_of_canceled_erasure(delivered: Delivered) -> None:
    _tell_owner(delivered, ERASURE_CANCELED)


def _tell_owner(delivered: Delivered, kind: Kind, *, subject: str = "user_id") -> None:
    services.notify(
        event_id=delivered.event_id,
        kind=kind,
        subject_id=UUID(delivered.payload[subject]),
        recipient_id=UUID(delivered.payload["user_id"]),
    )


# A mail server's answer can't be rolled back, so no transaction pretends to.
@subscribe(DeliveryQueued, transactional=False)
def send_queued_delivery(delivered: Delivered) -> None:
    services.send_delivery(
        delivery_id=UUID(delivered.payload["delivery_id"]), now=timezone.now()
    )
