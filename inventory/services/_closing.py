"""The ends of a reservation: consumed, released, returned, expired."""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from core.prepared import prepared_cursor
from core.rows import fetch
from inventory.constants import SWEEP_BATCH
from inventory.exceptions import ReservationLostError
from inventory.models import Movement, Reservation
from inventory.services._ledger import (
    Entry,
    LockedStock,
    lock_stock,
    lock_stock_of,
    record,
)

State = Reservation.State

CLOSE = """
UPDATE inventory_reservation SET state = %(to)s, closed_at = %(now)s
WHERE id = ANY(%(ids)s) AND state = ANY(%(origins)s)
"""


# Without a savepoint, which costs two round trips in every checkout.
@transaction.atomic(savepoint=False)
def consume_stock(*, reference: UUID, now: datetime) -> None:
    """Take the held units off the shelf. Done already: nothing happens.

    What was sold as a backorder stays held, for good, and goes when the goods come. A
    refusal rolls back the caller's transaction too.

    :raises ReservationLostError: if the hold expired or was released; nothing changed.
    """
    rows = lock_stock_of([reference], now=now)
    known = fetch(
        Reservation, "WHERE t.reference = %(reference)s", {"reference": reference}
    )
    holds = [hold for hold in known if hold.state == State.ACTIVE]
    if not holds and any(hold.state == State.CONSUMED for hold in known):
        return
    if not holds or any(_is_lost(hold, now=now) for hold in known):
        raise ReservationLostError
    at_hand = {row.id: row.on_hand for row in rows}
    missing = [hold.id for hold in holds if hold.quantity > at_hand[hold.stock_id]]
    if missing:
        Reservation.objects.filter(id__in=missing).update(expires_at=None)
    shipped = [hold for hold in holds if hold.id not in missing]
    record(_ship(shipped, now=now), rows=rows, now=now)


def release_stock(*, reference: UUID, now: datetime, reason: str = "") -> None:
    """Give back what is still held. Nothing held: nothing happens."""
    release_holds(references=[reference], now=now, reason=reason)


def release_holds(
    *, references: Collection[UUID], now: datetime, reason: str = ""
) -> None:
    """Release what several references hold, with one lock: a transaction has no two."""
    if not references:
        return
    with transaction.atomic(savepoint=False):
        rows = lock_stock_of(references, now=now)
        entries = close_released(references, now=now)
        record(entries, rows=rows, now=now, reason=reason)


@transaction.atomic
def return_stock(
    *, reference: UUID, now: datetime, reason: str, actor_id: UUID | None
) -> None:
    """Put consumed units back on the shelf, and let go of those still to come.

    Nothing consumed: nothing happens.
    """
    rows = lock_stock_of([reference], now=now)
    known = Reservation.objects.filter(reference=reference)
    waiting = list(known.waiting())
    entries = _free(waiting, State.RELEASED, Movement.Kind.RELEASED, now=now)
    consumed = list(known.filter(state=State.CONSUMED))
    _close(consumed, to=State.RELEASED, now=now)
    entries += [
        Entry(
            hold.stock_id,
            Movement.Kind.RETURNED,
            on_hand_change=hold.quantity,
            reference=reference,
        )
        for hold in consumed
    ]
    entries += ship_waiting(rows, entries, now=now)
    record(entries, rows=rows, now=now, reason=reason, actor_id=actor_id)


@transaction.atomic
def expire_reservations(*, now: datetime, limit: int = SWEEP_BATCH) -> int:
    """Free up to ``limit`` holds whose time is over, and say how many were found."""
    due = list(
        Reservation.objects.active()
        .expired(now=now)
        .order_by("expires_at")
        .values_list("id", "stock__variant_id")[:limit]
    )
    rows = lock_stock(variant_ids={variant_id for _, variant_id in due}, now=now)
    # Only now is it certain which of them nobody else has closed.
    holds = list(Reservation.objects.filter(id__in=[id_ for id_, _ in due]).active())
    entries = _free(holds, State.EXPIRED, Movement.Kind.EXPIRED, now=now)
    record(entries, rows=rows, now=now)
    return len(due)


def close_expired(rows: Iterable[LockedStock], *, now: datetime) -> list[Entry]:
    """Expire what is overdue on locked rows; the entries are the caller's to record."""
    stock_ids = [row.id for row in rows if row.has_expired_holds]
    if not stock_ids:
        return []
    overdue = Reservation.objects.filter(stock_id__in=stock_ids).active()
    holds = list(overdue.expired(now=now))
    return _free(holds, State.EXPIRED, Movement.Kind.EXPIRED, now=now)


def close_released(references: Collection[UUID], *, now: datetime) -> list[Entry]:
    """Release what is held on locked rows; the entries are the caller's to record."""
    holds = list(Reservation.objects.filter(reference__in=references).active())
    return _free(holds, State.RELEASED, Movement.Kind.RELEASED, now=now)


def ship_waiting(
    rows: Iterable[LockedStock], arrivals: Iterable[Entry], *, now: datetime
) -> list[Entry]:
    """Ship backorders, oldest first, as far as what arrives on locked rows reaches.

    The entries are the caller's to record, together with the arrivals.
    """
    arrived: Counter[UUID] = Counter()
    for entry in arrivals:
        arrived[entry.stock_id] += entry.on_hand_change
    # A hold waits only while it wants more than there is.
    at_hand = {
        row.id: row.on_hand + arrived[row.id]
        for row in rows
        if row.reserved > row.on_hand and arrived[row.id] > 0
    }
    shipped: list[Reservation] = []
    if at_hand:
        waiting = Reservation.objects.filter(stock_id__in=at_hand).waiting()
        for hold in waiting.order_by("created_at", "id"):
            if hold.quantity <= at_hand[hold.stock_id]:
                at_hand[hold.stock_id] -= hold.quantity
                shipped.append(hold)
    return _ship(shipped, now=now)


def _is_lost(hold: Reservation, *, now: datetime) -> bool:
    if hold.expires_at is None:
        return False
    if hold.state == State.ACTIVE:
        return hold.expires_at <= now
    # Another machine's clock is ahead of ours and ended a part of what we hold.
    return hold.state == State.EXPIRED and hold.expires_at > now


def variants_of(reference: UUID) -> set[UUID]:
    return set(
        Reservation.objects.filter(reference=reference).values_list(
            "stock__variant_id", flat=True
        )
    )


def _close(holds: Collection[Reservation], *, to: State, now: datetime) -> None:
    """Move holds read under the lock of their stock to another state."""
    if not holds:
        return
    origins = [origin for origin, ends in Reservation.TRANSITIONS.items() if to in ends]
    with prepared_cursor() as cursor:
        cursor.execute(
            CLOSE,
            {
                "ids": [hold.id for hold in holds],
                "origins": [origin.value for origin in origins],
                "to": to.value,
                "now": now,
            },
        )
        if cursor.rowcount != len(holds):
            raise ReservationLostError


def _ship(holds: Collection[Reservation], *, now: datetime) -> list[Entry]:
    _close(holds, to=State.CONSUMED, now=now)
    return [
        Entry(
            hold.stock_id,
            Movement.Kind.SHIPPED,
            on_hand_change=-hold.quantity,
            reserved_change=-hold.quantity,
            reference=hold.reference,
        )
        for hold in holds
    ]


def _free(
    holds: Collection[Reservation], to: State, kind: Movement.Kind, *, now: datetime
) -> list[Entry]:
    _close(holds, to=to, now=now)
    return [
        Entry(
            hold.stock_id,
            kind,
            reserved_change=-hold.quantity,
            reference=hold.reference,
        )
        for hold in holds
    ]
