from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from catalog.models import Variant
from core.errors import DomainError
from inventory import selectors, services
from inventory.models import Movement, Reservation, Stock
from inventory.tests.factories import NOW, make_stock, reserve

UNITS = st.integers(0, 12)


class Shop(RuleBasedStateMachine):
    """Two variants in two warehouses, and everything that may befall them."""

    def __init__(self):
        super().__init__()
        self.now = NOW
        mug = make_stock(on_hand=5, low_stock_threshold=2)
        cap = make_stock(on_hand=3, backorder_limit=2)
        far = make_stock(mug.variant, on_hand=4, warehouse="far", priority=200)
        make_stock(cap.variant, on_hand=0, warehouse="far")
        self.stocks = [mug, cap, far]
        self.references = []

    @rule(mugs=UNITS, caps=UNITS, seconds=st.integers(1, 120))
    def reserve(self, mugs, caps, seconds):
        demand = {self.stocks[0]: mugs, self.stocks[1]: caps}
        demand = {stock: units for stock, units in demand.items() if units}
        expires_at = self.now + timedelta(seconds=seconds)
        with suppress(DomainError), transaction.atomic():
            self.references.append(reserve(demand, expires_at=expires_at, now=self.now))

    @rule(
        pick=st.integers(0, 19),
        verb=st.sampled_from(["consume_stock", "release_stock", "return_stock"]),
    )
    def close(self, pick, verb):
        if not self.references:
            return
        given = {"reason": "", "actor_id": None} if verb == "return_stock" else {}
        with suppress(DomainError), transaction.atomic():
            getattr(services, verb)(
                reference=self.references[pick % len(self.references)],
                now=self.now,
                **given,
            )

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(limit=st.integers(1, 3))
    def sweep(self, limit):
        services.expire_reservations(now=self.now, limit=limit)

    @rule(
        place=st.integers(0, 2),
        given=st.one_of(
            st.builds(dict, change=st.integers(-6, 6).filter(bool)),
            st.builds(dict, counted=UNITS),
        ),
    )
    def adjust(self, place, given):
        stock = self.stocks[place]
        with suppress(DomainError):
            services.adjust_stock(
                variant_id=stock.variant_id,
                warehouse_code=stock.warehouse.code,
                reason="Check",
                actor_id=None,
                now=self.now,
                **given,
            )

    @rule(mugs=UNITS, caps=UNITS)
    def count_in_bulk(self, mugs, caps):
        services.set_counted_in_bulk(
            warehouse_code="main",
            quantities={
                self.stocks[0].variant_id: mugs,
                self.stocks[1].variant_id: caps,
            },
            reason="Import",
            actor_id=None,
            now=self.now,
        )

    @rule(place=st.integers(0, 2), limit=st.integers(0, 4))
    def allow_backorders(self, place, limit):
        with suppress(DomainError):
            services.configure_stock(
                stock_id=self.stocks[place].id, backorder_limit=limit, now=self.now
            )

    @rule(is_active=st.booleans())
    def open_or_close(self, is_active):
        services.update_warehouse(
            warehouse_id=self.stocks[2].warehouse_id, is_active=is_active, now=self.now
        )

    @invariant()
    def ledger_adds_up(self):
        # Long before any time here, so that only I1 to I3 can be broken.
        assert selectors.ledger_problems(now=NOW - timedelta(days=1)) == []

    @invariant()
    def each_line_continues_the_balance_before_it(self):
        for stock in Stock.objects.all():
            on_hand = reserved = 0
            for line in Movement.objects.filter(stock=stock).order_by("id"):
                on_hand += line.on_hand_change
                reserved += line.reserved_change
                assert (line.on_hand_after, line.reserved_after) == (on_hand, reserved)

    @invariant()
    def backorders_wait_only_for_goods(self):
        for hold in Reservation.objects.waiting().select_related("stock"):
            assert hold.quantity > hold.stock.on_hand

    @invariant()
    def catalogue_shows_what_can_be_had(self):
        for stock in self.stocks:
            rows = Stock.objects.filter(variant=stock.variant_id).select_related(
                "warehouse"
            )
            units = sum(
                row.available + row.backorder_limit
                for row in rows
                if row.warehouse.is_active
            )
            variant = Variant.objects.get(pk=stock.variant_id)
            assert variant.in_stock == (units > 0)

    @invariant()
    def availability_is_what_a_sweep_would_leave(self):
        variant_ids = [stock.variant_id for stock in self.stocks[:2]]
        told = selectors.available_quantities(variant_ids=variant_ids, now=self.now)
        with transaction.atomic():
            while services.expire_reservations(now=self.now):
                pass
            assert told == selectors.available_quantities(
                variant_ids=variant_ids, now=self.now
            )
            transaction.set_rollback(True)


@pytest.mark.django_db
def test_any_sequence_of_changes_keeps_the_ledger_right():
    def shop_of_its_own():
        transaction.savepoint_rollback(start)
        return Shop()

    start = transaction.savepoint()
    run_state_machine_as_test(
        shop_of_its_own,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
