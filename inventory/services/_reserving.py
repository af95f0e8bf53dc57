from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from inventory import selectors
from inventory.exceptions import InsufficientStockError
from inventory.models import Movement
from inventory.services._closing import close_expired, close_released, variants_of
from inventory.services._ledger import (
    Entry,
    LockedStock,
    StockOverdrawnError,
    lock_stock,
    record,
)


@dataclass(frozen=True, slots=True)
class Share:
    """What one stock row gives to a demand."""

    stock_id: UUID
    quantity: int


# Without a savepoint, which costs two round trips in every checkout.
@transaction.atomic(savepoint=False)
def reserve_stock(
    *,
    reference: UUID,
    demand: Mapping[UUID, int],
    expires_at: datetime,
    now: datetime,
    replacing: UUID | None = None,
) -> None:
    """Hold every quantity until ``expires_at``, or hold nothing.

    What the reference ``replacing`` still holds is given up for it in the same step.
    Call it late in the transaction: the stock rows stay locked until its end. A
    refusal rolls back the caller's transaction too. A number of queries that does not
    grow with the demand.

    :raises InsufficientStockError: naming what is left of each short variant.
    :raises core.locking.BusyError: if the rows stay locked by others for too long.
    """
    given_up = () if replacing is None else variants_of(replacing)
    rows = lock_stock(variant_ids={*demand, *given_up}, now=now)
    entries = close_expired(rows, now=now)
    if given_up and replacing is not None:
        entries += close_released([replacing], now=now)
    shares = _allocate(demand, _after(rows, entries))
    entries += [
        Entry(
            share.stock_id,
            Movement.Kind.RESERVED,
            reserved_change=share.quantity,
            reference=reference,
        )
        for share in shares
    ]
    try:
        record(entries, rows=rows, now=now, hold_until=expires_at)
    except StockOverdrawnError as error:
        raise _shortage(demand, now=now) from error


def _after(rows: Iterable[LockedStock], entries: Iterable[Entry]) -> list[LockedStock]:
    freed: Counter[UUID] = Counter()
    for entry in entries:
        freed[entry.stock_id] += entry.reserved_change
    return [replace(row, reserved=row.reserved + freed[row.id]) for row in rows]


def _allocate(demand: Mapping[UUID, int], rows: Iterable[LockedStock]) -> list[Share]:
    by_variant: defaultdict[UUID, list[LockedStock]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.priority, row.id)):
        if row.is_active:
            by_variant[row.variant_id].append(row)

    shares: list[Share] = []
    short: dict[UUID, int] = {}
    for variant_id, quantity in demand.items():
        found = allocate(quantity, by_variant[variant_id])
        if found is None:
            short[variant_id] = sum(row.sellable for row in by_variant[variant_id])
        else:
            shares += found
    if short:
        raise InsufficientStockError(available=short, wanted=len(demand))
    return shares


def allocate(quantity: int, rows: Sequence[LockedStock]) -> list[Share] | None:
    """Choose the rows, given by priority, that supply the quantity; None if they can't.

    One warehouse that has it all comes before several, goods at hand before goods
    still to come.
    """
    at_hand = [(row.id, row.available) for row in rows]
    with_backorders = [(row.id, row.sellable) for row in rows]
    for supply in (at_hand, with_backorders):
        for stock_id, units in supply:
            if units >= quantity:
                return [Share(stock_id, quantity)]
        if sum(max(units, 0) for _, units in supply) >= quantity:
            return list(_split(quantity, supply))
    return None


def _split(quantity: int, supply: Iterable[tuple[UUID, int]]) -> Iterable[Share]:
    for stock_id, units in supply:
        if quantity and units > 0:
            share = min(quantity, units)
            quantity -= share
            yield Share(stock_id, share)


def _shortage(demand: Mapping[UUID, int], *, now: datetime) -> InsufficientStockError:
    left = selectors.available_quantities(variant_ids=demand.keys(), now=now)
    short = {
        variant_id: left[variant_id]
        for variant_id, quantity in demand.items()
        if left[variant_id] < quantity
    }
    return InsufficientStockError(available=short, wanted=len(demand))
