from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce

from accounts import selectors as accounts_selectors
from accounts.selectors import Contact
from core.exceptions import CircuitOpenError
from core.protection.breaker import get_breaker, is_mail_failure
from notifications.constants import KINDS
from notifications.models import Delivery
from notifications.services._composing import compose_mail
from notifications.services._subjects import Subject, load_subject

DEFAULT_LOCALE = "en"
MAX_ERROR_LENGTH = 2000


def send_delivery(*, delivery_id: UUID, now: datetime) -> None:
    """Send a queued message; one that was sent already is left alone.

    A crash between the server's acceptance and our note of it sends the mail again,
    under the same Message-ID, by which mailboxes know the two as one. Whatever the
    server or the template raises is noted and raised on, for the outbox to try again.
    """
    delivery = Delivery.objects.select_related("notification").get(pk=delivery_id)
    if delivery.state != Delivery.State.QUEUED:
        return
    kind = KINDS[delivery.notification.kind]
    subject = load_subject(kind.subject, delivery.notification.subject_id)
    contact = _contact(delivery, subject)
    if contact is not None and subject is not None and kind.to_subject:
        contact = replace(contact, email=subject.email)
    if subject is None or contact is None:
        _give_up(delivery, "Nobody to write to: the subject or its address is gone.")
        return
    try:
        mail = compose_mail(
            kind=kind, contact=contact, subject=subject, message_id=delivery.message_id
        )
        with get_breaker("mail.send", judge=is_mail_failure).calling():
            mail.send()
    except CircuitOpenError:
        # Not tried, so nothing to note: the outbox brings it back without counting.
        raise
    except Exception as error:
        _note_failure(delivery, error)
        raise
    _count_attempt(delivery, last_error="")
    record_outcome(delivery_id=delivery.pk, state=Delivery.State.SENT, now=now)


def _contact(delivery: Delivery, subject: Subject | None) -> Contact | None:
    """Look the address up now rather than when the event came: people move."""
    recipient_id = delivery.notification.recipient_id
    if recipient_id is not None:
        return accounts_selectors.get_contact(recipient_id)
    if subject is None or not subject.email:
        return None
    return Contact(email=subject.email, name="", locale=DEFAULT_LOCALE)


def _note_failure(delivery: Delivery, error: Exception) -> None:
    reason = f"{type(error).__name__}: {error}".replace("\x00", "")
    _count_attempt(delivery, last_error=reason[:MAX_ERROR_LENGTH])


def _count_attempt(delivery: Delivery, *, last_error: str) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(
        attempts=F("attempts") + 1, last_error=last_error
    )


def _give_up(delivery: Delivery, reason: str) -> None:
    queued = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.QUEUED)
    queued.update(state=Delivery.State.UNDELIVERED, last_error=reason)


def record_outcome(*, delivery_id: UUID, state: Delivery.State, now: datetime) -> bool:
    """Move a delivery on. A late or repeated answer that would move it back is ignored."""
    below = [before for before, after in TRANSITIONS.items() if state in after]
    moved = Delivery.objects.filter(pk=delivery_id, state__in=below).update(
        state=state, sent_at=Coalesce("sent_at", now)
    )
    return bool(moved)


TRANSITIONS: dict[Delivery.State, set[Delivery.State]] = {
    # A provider's answer may overtake our own note that the mail was sent.
    Delivery.State.QUEUED: {
        Delivery.State.SENT,
        Delivery.State.DELIVERED,
        Delivery.State.BOUNCED,
        Delivery.State.UNDELIVERED,
    },
    Delivery.State.SENT: {
        Delivery.State.DELIVERED,
        Delivery.State.BOUNCED,
        Delivery.State.UNDELIVERED,
    },
    Delivery.State.DELIVERED: set(),
    Delivery.State.BOUNCED: set(),
    Delivery.State.UNDELIVERED: set(),
}
