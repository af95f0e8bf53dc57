import signal

import pytest

from core.models import IdempotencyRecord
from core.tests.delivery import deliver_all
from core.tests.processes import running
from inventory.models import Stock
from orders import services
from orders.models import Cart, Order, Payment
from orders.tests import dying
from orders.tests.factories import make_goods
from orders.tests.shopping import OK, check_out, later, ready_cart, verify

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("own_simulator"),
]
CLEAN = ["The ledger adds up."]


def die(simulator, step, *arguments):
    with running(
        "-c",
        dying.RUN,
        step,
        *arguments,
        PAYMENT_SIMULATOR_URL=simulator.url,
    ) as process:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, output.decode()


def die_in_check_out(simulator, step, cart, method):
    die(simulator, step, "checkout", cart["id"], method, "once")


def sweep():
    services.settle_payments(now=later())
    deliver_all()


def repeat(api, cart, payment=OK):
    """Send the request again once the lease of the dead one is over."""
    IdempotencyRecord.objects.filter(state="claimed").update(claimed_until=later(-60))
    return check_out(api, cart, payment, key="once")


# Where it died, and what the sweeper must make of it: payment status of the order,
# state of the cart, units on hand, what the provider did.
PAID = ("paid", "checked_out", 3, ["captured"])
LEFT = ("failed", "open", 5, [])
REFUSED = ("failed", "open", 5, ["declined"])
DEATHS = [
    ("before the provider is asked", "sim_ok", LEFT),
    ("before the answer arrives", "sim_ok", PAID),
    ("before success commits", "sim_ok", PAID),
    ("before anything is answered", "sim_ok", PAID),
    ("before the answer is kept", "sim_ok", PAID),
    ("before the answer arrives", "sim_declined", REFUSED),
    ("before failure commits", "sim_declined", REFUSED),
    ("before anything is answered", "sim_declined", REFUSED),
]


@pytest.mark.parametrize(("step", "method", "left"), DEATHS)
def test_sweeper_settles_what_a_killed_process_left(
    api, own_simulator, step, method, left
):
    mug = make_goods(on_hand=5)
    cart = ready_cart(api, (mug, 2))

    die_in_check_out(own_simulator, step, cart, method)
    sweep()

    payment = Payment.objects.get()
    stock = Stock.objects.get(variant=mug)
    assert left == (
        Order.objects.get().payment_status,
        Cart.objects.get().state,
        stock.on_hand,
        own_simulator.kinds_of(payment.idempotency_key),
    )
    assert stock.reserved == 0
    assert verify() == CLEAN
    expect_answer_to_repeated(api, own_simulator, cart, method)


@pytest.mark.parametrize(
    ("step", "method"),
    [
        ("before the provider is asked", "sim_ok"),
        ("before success commits", "sim_ok"),
        ("before the answer is kept", "sim_ok"),
        ("before failure commits", "sim_declined"),
    ],
)
def test_repeated_request_goes_on_where_it_was_killed(api, own_simulator, step, method):
    cart = ready_cart(api, (make_goods(on_hand=5), 2))

    die_in_check_out(own_simulator, step, cart, method)

    expect_answer_to_repeated(api, own_simulator, cart, method)


def expect_answer_to_repeated(api, simulator, cart, method):
    response = repeat(api, cart, {"provider": "simulated", "method": method})

    assert response.status_code == (402 if method == "sim_declined" else 201)
    assert Order.objects.count() == 1
    captures = [line for line in simulator.lines() if line["kind"] == "captured"]
    assert len(captures) == (method == "sim_ok")
    deliver_all()
    assert verify() == CLEAN


def test_death_before_the_claim_leaves_nothing(api, own_simulator):
    mug = make_goods(on_hand=5)
    cart = ready_cart(api, (mug, 2))

    die_in_check_out(own_simulator, "before the claim commits", cart, "sim_ok")

    assert not Order.objects.exists()
    assert Cart.objects.get().state == "open"
    assert Stock.objects.get(variant=mug).reserved == 0
    assert verify() == CLEAN
    assert repeat(api, cart).status_code == 201


def test_dead_sweeper_is_followed_by_another(api, own_simulator):
    mug = make_goods(on_hand=5)
    cart = ready_cart(api, (mug, 2))
    die_in_check_out(own_simulator, "before the answer arrives", cart, "sim_ok")

    die(own_simulator, "after the sweeper asked", "sweep")
    services.settle_payments(now=later(40))

    assert Order.objects.get().payment_status == "paid"
    deliver_all()
    assert verify() == CLEAN
