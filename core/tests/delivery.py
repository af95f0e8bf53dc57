"""Bring events to their handlers inside a test, without a worker."""

from django.utils import timezone

from core import outbox
from core.models import OutboxDelivery


def deliver_all(*, tolerate_failures: bool = False) -> int:
    """Relay and deliver until nothing is due; returns how many deliveries were made.

    A handler that fails fails the test, unless failures are what it is about.
    """
    tried = []
    while due := outbox.relay_pending(now=timezone.now()):
        tried += due
        for delivery_id in due:
            outbox.deliver(delivery_id, now=timezone.now())
    failed = OutboxDelivery.objects.filter(pk__in=tried).exclude(last_error="")
    if failed and not tolerate_failures:
        reasons = "; ".join(f"{one.handler}: {one.last_error}" for one in failed)
        raise AssertionError(reasons)
    return OutboxDelivery.objects.filter(pk__in=tried, status="delivered").count()
