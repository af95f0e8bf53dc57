"""What a process of the shop runs that is to die in a checkout or a sweep."""

import os
import signal
from datetime import timedelta
from functools import wraps

from django.utils import timezone
from rest_framework.test import APIClient

from core import idempotency
from inventory import services as inventory_services
from orders import services
from orders.payments.simulated import SimulatedProvider
from orders.services import _placing

RUN = "import sys, django; django.setup(); import orders.tests.dying as d; d.main(*sys.argv[1:])"


def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(function):
    @wraps(function)
    def call(*args, **kwargs):
        function(*args, **kwargs)
        die()

    return call


def arm(step):
    """Replace the step by one that doesn't survive."""
    places = {
        "before the claim commits": (inventory_services, "reserve_stock", dying_after),
        "before the provider is asked": (SimulatedProvider, "authorize", lambda _: die),
        "before the answer arrives": (SimulatedProvider, "authorize", dying_after),
        "before success commits": (inventory_services, "consume_stock", dying_after),
        "before failure commits": (inventory_services, "release_holds", dying_after),
        "before the answer is kept": (idempotency, "_stored", lambda _: die),
        "before anything is answered": (_placing, "finalize_payment", dying_after),
        "after the sweeper asked": (SimulatedProvider, "find", dying_after),
    }
    owner, name, change = places[step]
    setattr(owner, name, change(getattr(owner, name)))


def main(step, action, *arguments):
    arm(step)
    if action == "sweep":
        services.settle_payments(now=timezone.now() + timedelta(seconds=30))
        return
    cart_id, method, key = arguments
    APIClient().post(
        f"/api/v1/carts/{cart_id}/checkout",
        {"payment": {"provider": "simulated", "method": method}},
        format="json",
        headers={"Idempotency-Key": key},
    )
