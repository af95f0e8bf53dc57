import time
from collections import Counter
from functools import partial
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from core.tests.delivery import deliver_all
from core.tests.racing import race
from inventory.models import Stock
from inventory.services import _closing
from orders import selectors, services
from orders.exceptions import OrderNotCancelableError
from orders.models import Cart, CartItem, Order, Payment, PaymentEvent
from orders.payments.provider import Outcome, OutcomeStatus
from orders.selectors import Viewer, _baskets
from orders.services import Shopper, _paying, _placing, _transitions
from orders.tests.factories import make_goods
from orders.tests.shopping import (
    CAPTURED,
    add,
    cart_of,
    check_out,
    claim_payment,
    event_names,
    ready_cart,
    verify,
)

pytestmark = pytest.mark.django_db(transaction=True)
CLEAN = ["The ledger adds up."]


def codes_of(responses):
    for response in responses:
        if isinstance(response, Exception):
            raise response
    return Counter(response.json().get("code", "placed") for response in responses)


def add_often(api, times=8):
    """Add one unit to one cart many times at once; return the quantities of its lines."""
    mug = make_goods(on_hand=50)
    cart = cart_of(api, (make_goods(), 1))

    race([lambda: add(APIClient(), cart, mug) for _ in range(times)])

    lines = CartItem.objects.filter(cart=cart["id"], variant=mug)
    return list(lines.values_list("quantity", flat=True))


def test_additions_to_one_cart_add_up_on_one_line(api):
    assert add_often(api) == [8]


def test_additions_are_lost_when_lines_are_not_read_anew_after_the_wait(
    api, monkeypatch
):
    """The control: the locked cart is the newest, the lines read beside it are not."""
    monkeypatch.setattr(_baskets, "items_of", lambda _cart: [])

    assert add_often(api) != [8]


def check_out_often(cart, times=20, *, key=None):
    return race([lambda: check_out(APIClient(), cart, key=key) for _ in range(times)])


def test_one_cart_checked_out_by_many_becomes_one_order(api, own_simulator):
    mug = make_goods(on_hand=50)
    cart = ready_cart(api, (mug, 2))

    codes = codes_of(check_out_often(cart))

    assert codes == {"placed": 1, "cart_already_checked_out": 19}
    assert Order.objects.count() == Payment.objects.count() == 1
    assert [line["kind"] for line in own_simulator.lines()] == ["captured"]
    assert Stock.objects.get(variant=mug).on_hand == 48
    deliver_all()
    assert verify() == CLEAN


def test_one_cart_without_its_lock_does_not_become_one_order_in_peace(
    api, own_simulator, monkeypatch
):
    """The control: it is the lock on the cart that makes the race above orderly."""

    def unlocked(cart_id, shopper):
        basket = selectors.read_basket(cart_id, shopper.user_id)
        # Long enough for all to read the cart before one of them writes.
        time.sleep(0.5)
        return basket

    monkeypatch.setattr(_placing, "lock_basket", unlocked)
    cart = ready_cart(api, (make_goods(on_hand=50), 2))

    results = check_out_often(cart)

    assert any(isinstance(result, Exception) for result in results)
    # The last line of defence.
    assert Order.objects.count() == 1


def test_one_request_repeated_at_once_is_one_order(api, own_simulator):
    cart = ready_cart(api, (make_goods(on_hand=50), 2))

    codes = codes_of(check_out_often(cart, key="once"))

    assert codes.keys() <= {"placed", "idempotency_in_progress"}
    assert Order.objects.count() == 1
    assert len(own_simulator.lines()) == 1


def test_last_units_go_to_one_of_many_carts(api, own_simulator):
    mug = make_goods(on_hand=2)
    carts = [ready_cart(api, (mug, 1)) for _ in range(8)]

    codes = codes_of(race([partial(check_out, APIClient(), cart) for cart in carts]))

    assert codes == {"placed": 2, "insufficient_stock": 6}
    deliver_all()
    assert verify() == CLEAN


def test_carts_with_the_same_goods_in_opposite_order_do_not_deadlock(
    api, own_simulator
):
    goods = [make_goods(on_hand=50) for _ in range(2)]
    carts = [
        ready_cart(api, *((variant, 1) for variant in goods[:: 1 - 2 * (turn % 2)]))
        for turn in range(10)
    ]

    codes = codes_of(race([partial(check_out, APIClient(), cart) for cart in carts]))

    assert codes == {"placed": 10}
    deliver_all()
    assert verify() == CLEAN


def finalize(payment, outcome=CAPTURED):
    return services.finalize_payment(
        payment_id=payment.pk, outcome=outcome, now=timezone.now()
    )


@pytest.fixture
def waiting(api, silent):
    """A payment whose answer is on its way."""
    return claim_payment(ready_cart(api, (make_goods(on_hand=5), 2)))


def test_client_and_sweeper_finalize_once(waiting):
    results = race([partial(finalize, waiting)] * 10)

    assert {result.status for result in results} == {"captured"}
    assert PaymentEvent.objects.count() == 2
    assert event_names() == ["orders.order_placed", "orders.order_paid"]
    assert Stock.objects.get().on_hand == 3


def test_without_lock_and_condition_they_finalize_more_than_once(waiting, monkeypatch):
    """The control for the one above."""

    def unlocked(payment_id):
        return Payment.objects.select_related("order").get(pk=payment_id)

    monkeypatch.setattr(_paying, "_lock", unlocked)
    monkeypatch.setattr(
        _transitions,
        "MOVE_PAYMENT",
        _transitions.MOVE_PAYMENT.replace("AND status = %(current)s", ""),
    )

    results = race([partial(finalize, waiting)] * 10)

    assert any(isinstance(result, Exception) for result in results)


@pytest.mark.parametrize("attempt", range(5))
def test_success_against_failure_ends_in_one_of_them(waiting, attempt):
    declined = Outcome(OutcomeStatus.DECLINED, reference="x", failure_code="no")

    race([partial(finalize, waiting), partial(finalize, waiting, declined)] * 3)
    services.reverse_payment(payment_id=waiting.pk, now=timezone.now())

    order, stock = Order.objects.get(), Stock.objects.get()
    payment = order.payments.get()
    if order.payment_status == "paid":
        assert (payment.status, stock.on_hand) == ("captured", 3)
        assert Cart.objects.get().state == "checked_out"
    else:
        assert (order.payment_status, payment.status) == ("failed", "refunded")
        assert stock.on_hand == 5
        assert Cart.objects.get().state == "open"
    deliver_all()
    assert [line for line in verify() if "didn't answer" not in line] == CLEAN


def test_success_that_waits_for_a_failure_is_given_back(waiting):
    declined = Outcome(OutcomeStatus.DECLINED, reference="x", failure_code="no")

    def fail_slowly():
        with transaction.atomic():
            finalize(waiting, declined)
            time.sleep(0.5)

    def succeed_meanwhile():
        time.sleep(0.2)
        finalize(waiting)

    results = race([fail_slowly, succeed_meanwhile])
    services.reverse_payment(payment_id=waiting.pk, now=timezone.now())

    assert results == [None, None]
    assert Payment.objects.get().status == "refunded"


@pytest.mark.parametrize("attempt", range(5))
def test_cancel_against_finalize_keeps_neither_goods_nor_money(waiting, attempt):
    def cancel():
        return services.cancel_order(
            number=waiting.order.number,
            viewer=Viewer(is_staff=True),
            now=timezone.now(),
        )

    results = race([partial(finalize, waiting), cancel, cancel])
    deliver_all()

    refused = [result for result in results if isinstance(result, Exception)]
    assert [type(error) for error in refused] == [OrderNotCancelableError]
    order, stock = Order.objects.get(), Stock.objects.get()
    assert order.status == "canceled"
    assert order.payment_status in {"refunded", "voided"}
    assert order.payments.get().status == "refunded"
    assert (stock.on_hand, stock.reserved) == (5, 0)
    assert verify() == CLEAN


@pytest.mark.parametrize("attempt", range(3))
def test_failure_while_the_owner_opens_another_cart_loses_no_line(
    api_as,
    customer,
    silent,
    attempt,
):
    mug, cap = make_goods(), make_goods()
    client = api_as(customer)
    payment = claim_payment(
        ready_cart(client, (mug, 1)), shopper=Shopper(user_id=customer.pk)
    )
    declined = Outcome(OutcomeStatus.DECLINED, reference="x", failure_code="no")

    results = race(
        [
            partial(finalize, payment, declined),
            lambda: cart_of_or_joined(api_as(customer), cap),
        ]
    )

    assert not [result for result in results if isinstance(result, Exception)]
    own = client.get("/api/v1/me/cart").json()
    assert {line["variant"]["sku"] for line in own["items"]} == {mug.sku, cap.sku}
    assert Cart.objects.filter(state="open").count() == 1


@pytest.fixture
def _slow_locks(monkeypatch):
    """Leave whoever locks twice the time to meet another."""
    lock_stock_of = _closing.lock_stock_of

    def lock_slowly(*args, **kwargs):
        rows = lock_stock_of(*args, **kwargs)
        time.sleep(0.3)
        return rows

    monkeypatch.setattr(_closing, "lock_stock_of", lock_slowly)


def held_cart_of(client, variant):
    cart = cart_of(client, (variant, 1))
    response = client.post(f"/api/v1/carts/{cart['id']}/reserve", {}, format="json")
    assert response.status_code == 200, response.content
    return cart


@pytest.mark.usefixtures("_slow_locks")
def test_held_carts_merged_crosswise_do_not_deadlock(api, api_as, customer, stranger):
    mug, cap = make_goods(), make_goods()
    claims = []
    for user, brought, owned in ((customer, mug, cap), (stranger, cap, mug)):
        guest = held_cart_of(api, brought)
        held_cart_of(api_as(user), owned)
        claims.append(
            partial(
                services.claim_cart,
                cart_id=UUID(guest["id"]),
                shopper=Shopper(user_id=user.pk),
                now=timezone.now(),
            )
        )

    results = race(claims)

    assert not [result for result in results if isinstance(result, Exception)]
    assert {stock.reserved for stock in Stock.objects.all()} == {0}


@pytest.mark.usefixtures("_slow_locks")
def test_failures_that_reopen_into_held_carts_do_not_deadlock(
    api_as, customer, stranger, silent
):
    mug, cap = make_goods(), make_goods()
    declined = Outcome(OutcomeStatus.DECLINED, reference="x", failure_code="no")
    failures = []
    for user, bought, wanted in ((customer, mug, cap), (stranger, cap, mug)):
        payment = claim_payment(
            ready_cart(api_as(user), (bought, 1)), shopper=Shopper(user_id=user.pk)
        )
        held_cart_of(api_as(user), wanted)
        failures.append(partial(finalize, payment, declined))

    results = race(failures)

    assert not [result for result in results if isinstance(result, Exception)]
    assert {stock.reserved for stock in Stock.objects.all()} == {0}


def cart_of_or_joined(client, variant):
    items = [{"variant_id": str(variant.pk), "quantity": 1}]
    response = client.post("/api/v1/carts", {"items": items}, format="json")
    assert response.status_code in {200, 201}, response.content
    return response


def test_same_variant_added_at_once_adds_up(api):
    mug = make_goods(on_hand=50)
    cart = cart_of(api)

    race([lambda: add(APIClient(), cart, mug) for _ in range(10)])

    shown = api.get(f"/api/v1/carts/{cart['id']}").json()
    assert [line["quantity"] for line in shown["items"]] == [10]
    assert shown["version"] == 11


def test_user_opening_carts_at_once_has_one(api_as, customer):
    goods = [make_goods() for _ in range(6)]

    race([partial(cart_of_or_joined, api_as(customer), variant) for variant in goods])

    (cart,) = Cart.objects.filter(user=customer)
    assert cart.items.count() == 6


def test_guest_carts_claimed_at_once_all_merge(api, api_as, customer):
    goods = [make_goods() for _ in range(6)]
    carts = [cart_of(api, (variant, 1)) for variant in goods]

    results = race(
        [
            partial(
                services.claim_cart,
                cart_id=UUID(cart["id"]),
                shopper=Shopper(user_id=customer.pk),
                now=timezone.now(),
            )
            for cart in carts
        ]
    )

    assert not [result for result in results if isinstance(result, Exception)]
    own = Cart.objects.get(user=customer, state="open")
    assert own.items.count() == 6
