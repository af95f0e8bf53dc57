"""Questions between the steps of a sign-in, each answered once and by who was asked."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db.models import F

from accounts.auth import Device
from accounts.models import Ceremony

MOST_ATTEMPTS = 5


def open_ceremony(
    *,
    kind: Ceremony.Kind,
    device: Device,
    now: datetime,
    lifetime: timedelta,
    user_id: UUID | None = None,
    answer: bytes | None = None,
    payload: Mapping[str, Any] | None = None,
) -> Ceremony:
    """Ask; ``answer`` is what the client must come back with, where that is known."""
    return Ceremony.objects.create(
        kind=kind,
        user_id=user_id,
        answer_hash=None if answer is None else sha256(answer).digest(),
        binding=_binding(device),
        payload=dict(payload or {}),
        expires_at=now + lifetime,
    )


def spend_answer(
    *, kind: Ceremony.Kind, answer: bytes, device: Device, now: datetime
) -> Ceremony | None:
    """Close the ceremony that this answers; None if there is none, or none any more.

    Of two who bring the same answer at once, one gets it.
    """
    found = Ceremony.objects.filter(
        kind=kind, answer_hash=sha256(answer).digest()
    ).first()
    if found is None or not spend_ceremony(found, device=device, now=now):
        return None
    return found


def spend_ceremony(ceremony: Ceremony, *, device: Device, now: datetime) -> bool:
    still_open = Ceremony.objects.open(now=now).filter(
        pk=ceremony.pk, binding=_binding(device)
    )
    return bool(still_open.update(used_at=now))


def find_ceremony(
    ceremony_id: UUID,
    *,
    kind: Ceremony.Kind,
    user_id: UUID,
    device: Device,
    now: datetime,
) -> Ceremony | None:
    """Return the question while it may still be answered; no try is counted by that."""
    return (
        Ceremony.objects.open(now=now)
        .filter(
            pk=ceremony_id,
            kind=kind,
            user_id=user_id,
            binding=_binding(device),
            attempts__lt=MOST_ATTEMPTS,
        )
        .first()
    )


def take_attempt(ceremony: Ceremony, *, now: datetime) -> bool:
    """Count a try to answer, before it is looked at; False if there is none left."""
    still_open = Ceremony.objects.open(now=now).filter(
        pk=ceremony.pk, attempts__lt=MOST_ATTEMPTS
    )
    return bool(still_open.update(attempts=F("attempts") + 1))


def forget_ceremonies(*, now: datetime) -> int:
    return Ceremony.objects.over(now=now).delete()[0]


def _binding(device: Device) -> bytes:
    # Not the address: phones change it between two steps.
    whose = f"{device.id or ''}\n{device.user_agent}"
    return sha256(whose.encode()).digest()
