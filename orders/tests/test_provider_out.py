"""Checkouts while the circuit to the payment provider is open."""

import pytest

from core.protection.breaker import State, get_breaker
from inventory.models import Stock
from orders.models import Cart, Order, Payment
from orders.tests.factories import make_goods
from orders.tests.shopping import add, check_out, ready_cart

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("simulator", "breakers_on"),
]
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def breaker():
    return get_breaker("payments.authorize")


def ends(breaker):
    return {name: n for name, n in breaker.drain().items() if "to_" not in name}


def test_calls_that_fail_open_the_circuit(api, settings, breaker):
    settings.PAYMENT_SIMULATOR_URL = NOWHERE
    cart = ready_cart(api)
    codes = set()
    for _ in range(10):
        if breaker.state is State.OPEN:
            break
        codes.add(check_out(api, cart).json()["code"])

    assert codes == {"payment_provider_unavailable"}
    assert breaker.state is State.OPEN


def test_an_open_circuit_refuses_at_once_and_keeps_the_cart_usable(
    api, simulator, breaker
):
    mug = make_goods(on_hand=2, prices={"EUR": 1000})
    cart = ready_cart(api, (mug, 1))
    breaker.move(State.FORCED_OPEN)
    before = len(simulator.lines())
    breaker.drain()

    response = check_out(api, cart, key="once")

    assert response.status_code == 503
    assert response.json()["code"] == "payment_provider_unavailable"
    assert int(response.headers["Retry-After"]) > 0
    # Asked of the breaker once, of the provider never.
    assert ends(breaker) == {"refused": 1}
    assert len(simulator.lines()) == before
    # Nothing is held, nothing is claimed to be paid, and the cart can be changed.
    assert Stock.objects.get(variant=mug).reserved == 0
    assert Order.objects.get().payment_status == "failed"
    assert Payment.objects.get().status == "failed"
    assert Cart.objects.get().state == "open"
    assert add(api, cart, mug).status_code == 200


def test_the_same_request_goes_through_when_the_circuit_is_closed(api, breaker):
    cart = ready_cart(api)
    breaker.move(State.FORCED_OPEN)
    assert check_out(api, cart, key="once").status_code == 503

    breaker.move(State.CLOSED)
    response = check_out(api, cart, key="once")

    assert response.status_code == 201
    assert response.json()["payment_status"] == "paid"


def test_asking_after_payments_has_a_circuit_of_its_own(api, breaker):
    breaker.move(State.FORCED_OPEN)

    with get_breaker("payments.find").calling():
        pass
