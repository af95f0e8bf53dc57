import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Price, Product
from core.locking import sole_run
from core.models import IdempotencyRecord, OutboxEvent
from inventory.models import Reservation, Stock
from orders import services
from orders.models import Cart, Order, Payment
from orders.payments.provider import Outcome, OutcomeStatus
from orders.selectors import Viewer
from orders.serializers import OrderSerializer
from orders.services import _paying
from orders.tests.factories import ADDRESS, make_goods
from orders.tests.shopping import (
    CAPTURED,
    DECLINED,
    OK,
    REFUSED,
    STARTED,
    add,
    cart_of,
    check_out,
    claim_payment,
    event_names,
    later,
    members_of,
    patch,
    ready_cart,
    shape_of,
    timeline,
)
from orders.tests.simulating import SilentProvider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


def test_check_out_places_and_pays_the_order(api, simulator):
    mug = make_goods(sku="MUG", prices={"EUR": 1000}, on_hand=5)
    cart = ready_cart(api, (mug, 2))

    response = check_out(api, cart, expected_total=cart["totals"]["total"])

    assert response.status_code == 201, response.content
    shown = response.json()
    order = Order.objects.get()
    payment = order.payments.get()
    stock = Stock.objects.get(variant=mug)
    assert shown["number"].startswith("SW-1")
    assert response.headers["Location"] == f"/api/v1/orders/{shown['number']}"
    assert shown["payment_status"] == "paid"
    assert shown["totals"]["total"] == {"amount": 2490, "currency": "EUR"}
    assert [line["sku"] for line in shown["items"]] == ["MUG"]
    assert shown["addresses"] == {"shipping": ADDRESS, "billing": ADDRESS}
    assert len(shown["access_token"]) == 64
    assert payment.idempotency_key == f"order:{order.pk}:authorize:1"
    assert simulator.kinds_of(payment.idempotency_key) == ["captured"]
    assert [event.kind for event in payment.events.order_by("id")] == [
        "authorized",
        "captured",
    ]
    assert (stock.on_hand, stock.reserved) == (3, 0)
    assert Reservation.objects.get(reference=payment.pk).state == "consumed"
    assert Cart.objects.get().state == "checked_out"
    assert event_names() == ["orders.order_placed", "orders.order_paid"]
    assert timeline() == [*STARTED, ("payment_status", "pending", "paid")]


def test_check_out_only_authorizes_where_the_shop_captures_itself(api, settings):
    settings.PAYMENT_AUTO_CAPTURE = False
    cart = ready_cart(api)

    shown = check_out(api, cart).json()

    assert shown["payment_status"] == "authorized"
    assert event_names() == ["orders.order_placed"]


def test_order_keeps_what_was_sold(api):
    mug = make_goods(prices={"EUR": 1000})
    shown = check_out(api, ready_cart(api, (mug, 1))).json()
    Price.objects.filter(variant=mug).update(amount=9999)
    Product.objects.filter(pk=mug.product_id).update(title="Renamed")

    again = api.get(
        f"/api/v1/orders/{shown['number']}",
        headers={"X-Order-Token": shown.pop("access_token")},
    )

    assert again.json() == shown


def test_users_order_has_no_token(api_as, customer):
    client = api_as(customer)

    shown = check_out(client, ready_cart(client)).json()

    assert "access_token" not in shown
    assert Order.objects.get().user == customer


@pytest.mark.parametrize(
    ("payment", "pointer"),
    [
        ({"provider": "nobody", "method": "sim_ok"}, "#/payment/provider"),
        ({"provider": "simulated", "method": "cash"}, "#/payment/method"),
        ({"provider": "simulated"}, "#/payment/method"),
    ],
)
def test_check_out_refuses_a_payment_that_is_not_offered(api, payment, pointer):
    response = check_out(api, ready_cart(api), payment)

    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_check_out_needs_an_idempotency_key(api):
    cart = ready_cart(api)

    response = api.post(
        f"/api/v1/carts/{cart['id']}/checkout", {"payment": OK}, format="json"
    )

    assert response.status_code == 400
    assert response.json()["code"] == "idempotency_key_required"


def test_check_out_names_what_is_missing(api):
    cart = cart_of(api, (make_goods(), 1))

    response = check_out(api, cart)

    assert response.status_code == 422
    assert response.json()["code"] == "cart_incomplete"
    assert [problem["code"] for problem in response.json()["problems"]] == [
        "email_missing",
        "shipping_address_missing",
        "shipping_option_missing",
    ]
    assert not Order.objects.exists()


def test_check_out_refuses_a_total_that_nobody_agreed_to(api):
    mug = make_goods(prices={"EUR": 1000})
    cart = ready_cart(api, (mug, 1))
    Price.objects.filter(variant=mug).update(amount=1100)

    response = check_out(api, cart, expected_total=cart["totals"]["total"])

    assert response.status_code == 409
    assert response.json()["code"] == "price_changed"
    assert response.json()["total"] == {"amount": 1590, "currency": "EUR"}
    assert not Order.objects.exists()


def test_check_out_refuses_what_is_not_there_and_keeps_nothing(api):
    mug, cap = make_goods(on_hand=5), make_goods(on_hand=5)
    cart = ready_cart(api, (mug, 2), (cap, 3))
    Stock.objects.filter(variant=cap).update(on_hand=2)

    response = check_out(api, cart)

    assert response.status_code == 409
    assert response.json()["code"] == "insufficient_stock"
    assert response.json()["available"] == {str(cap.pk): 2}
    assert not Order.objects.exists()
    assert not OutboxEvent.objects.filter(name__startswith="orders.").exists()
    assert Cart.objects.get().state == "open"
    assert Stock.objects.get(variant=mug).reserved == 0


def test_check_out_uses_what_the_cart_holds(api):
    mug = make_goods(on_hand=2)
    cart = ready_cart(api, (mug, 2))
    api.post(f"/api/v1/carts/{cart['id']}/reserve", {}, format="json")

    response = check_out(api, cart)

    assert response.status_code == 201
    stock = Stock.objects.get(variant=mug)
    assert (stock.on_hand, stock.reserved) == (0, 0)


def test_check_out_twice_finds_the_order(api):
    cart = ready_cart(api)
    number = check_out(api, cart).json()["number"]

    response = check_out(api, cart)

    assert response.status_code == 409
    problem = response.json()
    assert problem["code"] == "cart_already_checked_out"
    assert problem["order"]["number"] == number
    assert "access_token" not in str(problem)


def test_repeated_check_out_is_answered_the_same(api, simulator):
    cart = ready_cart(api)

    first = check_out(api, cart, key="once")
    second = check_out(api, cart, key="once")

    assert first.content == second.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(simulator.kinds_of(Payment.objects.get().idempotency_key)) == 1


def test_checked_out_cart_can_not_be_changed(api):
    mug = make_goods()
    cart = ready_cart(api, (mug, 1))
    check_out(api, cart)

    for response in (add(api, cart, mug), patch(api, cart, {"note": "x"})):
        assert response.status_code == 409
        assert response.json()["code"] == "cart_already_checked_out"


def test_declined_payment_frees_the_stock_and_opens_the_cart(api):
    mug = make_goods(on_hand=2)
    cart = ready_cart(api, (mug, 2))

    response = check_out(api, cart, DECLINED)

    assert response.status_code == 402
    assert response.json()["code"] == "payment_declined"
    assert response.json()["decline_code"] == "card_declined"
    order = Order.objects.get()
    assert (order.status, order.payment_status) == ("open", "failed")
    assert Stock.objects.get(variant=mug).reserved == 0
    assert Cart.objects.get().state == "open"
    assert event_names() == ["orders.payment_failed"]
    assert timeline() == [*STARTED, ("payment_status", "pending", "failed")]


def test_declined_answer_is_final_for_its_key(api):
    cart = ready_cart(api)
    first = check_out(api, cart, DECLINED, key="once")

    second = check_out(api, cart, DECLINED, key="once")

    assert second.status_code == 402
    assert second.content == first.content
    assert Payment.objects.count() == 1


def test_next_check_out_takes_the_declined_order_up_as_the_cart_is_now(api):
    mug, cap = make_goods(prices={"EUR": 1000}), make_goods(prices={"EUR": 500})
    cart = ready_cart(api, (mug, 1))
    check_out(api, cart, DECLINED)
    failed = Order.objects.get()
    add(api, cart, cap, 2)

    response = check_out(api, cart)

    assert response.status_code == 201, response.content
    shown = response.json()
    assert shown["number"] == failed.number
    assert shown["totals"]["total"]["amount"] == 2490
    assert [line["sku"] for line in shown["items"]] == [mug.sku, cap.sku]
    assert [payment["status"] for payment in shown["payments"]] == [
        "failed",
        "captured",
    ]
    order = Order.objects.get()
    assert [payment.idempotency_key for payment in order.payments.order_by("id")] == [
        f"order:{order.pk}:authorize:1",
        f"order:{order.pk}:authorize:2",
    ]
    assert timeline() == [
        *STARTED,
        ("payment_status", "pending", "failed"),
        ("payment_status", "failed", "pending"),
        ("payment_status", "pending", "paid"),
    ]


def test_declined_cart_joins_the_one_that_its_owner_opened_meanwhile(api_as, customer):
    mug, cap = make_goods(), make_goods()
    client = api_as(customer)
    cart = ready_cart(client, (mug, 1))
    payment = claim_payment(cart, shopper=services.Shopper(user_id=customer.pk))
    newer = cart_of(client, (cap, 1))

    services.finalize_payment(
        payment_id=payment.pk,
        outcome=Outcome(OutcomeStatus.DECLINED, failure_code="card_declined"),
        now=timezone.now(),
    )

    own = client.get("/api/v1/me/cart").json()
    assert own["id"] == newer["id"]
    assert {line["variant"]["sku"] for line in own["items"]} == {mug.sku, cap.sku}


def test_declined_cart_joins_another_only_as_far_as_the_lines_go(
    api_as, customer, settings
):
    mug = make_goods()
    client = api_as(customer)
    cart = ready_cart(client, (mug, 1))
    payment = claim_payment(cart, shopper=services.Shopper(user_id=customer.pk))
    cart_of(client, (make_goods(), 1))
    settings.CART_MAX_LINES = 1

    failed = services.finalize_payment(
        payment_id=payment.pk, outcome=REFUSED, now=timezone.now()
    )

    assert failed.status == "failed"
    assert len(client.get("/api/v1/me/cart").json()["items"]) == 1


def test_unreachable_provider_leaves_everything_as_it_was(api, settings):
    settings.PAYMENT_SIMULATOR_URL = "http://127.0.0.1:9"
    mug = make_goods(on_hand=2)
    cart = ready_cart(api, (mug, 2))

    response = check_out(api, cart, key="once")

    assert response.status_code == 503
    assert response.json()["code"] == "payment_provider_unavailable"
    assert int(response.headers["Retry-After"]) > 0
    assert Order.objects.get().payment_status == "failed"
    assert Cart.objects.get().state == "open"
    assert Stock.objects.get(variant=mug).reserved == 0


def test_repeated_request_tries_again_once_the_provider_is_back(
    api, settings, simulator
):
    cart = ready_cart(api)
    settings.PAYMENT_SIMULATOR_URL = "http://127.0.0.1:9"
    check_out(api, cart, key="once")
    settings.PAYMENT_SIMULATOR_URL = simulator.url

    response = check_out(api, cart, key="once")

    assert response.status_code == 201
    assert Order.objects.get().payments.count() == 2


def test_unknown_outcome_is_answered_202_and_changes_nothing(api, silent):
    mug = make_goods(on_hand=2)
    cart = ready_cart(api, (mug, 2))

    response = check_out(api, cart)

    assert response.status_code == 202
    assert response.json()["payment_status"] == "pending"
    assert Stock.objects.get(variant=mug).reserved == 2
    assert Payment.objects.get().status == "pending"
    assert check_out(api, cart).json()["code"] == "cart_already_checked_out"


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (CAPTURED, ("paid", "checked_out", 0, 0)),
        (REFUSED, ("failed", "open", 2, 0)),
        (None, ("failed", "open", 2, 0)),
        (Outcome(OutcomeStatus.UNKNOWN), ("pending", "checked_out", 2, 2)),
    ],
)
def test_settle_payments_finds_out(api, silent, found, left):
    mug = make_goods(on_hand=2)
    check_out(api, ready_cart(api, (mug, 2)))
    silent.found = found

    too_early = services.settle_payments(now=timezone.now())
    asked = services.settle_payments(now=later())

    assert (too_early, asked) == (0, 1)
    stock = Stock.objects.get(variant=mug)
    assert left == (
        Order.objects.get().payment_status,
        Cart.objects.get().state,
        stock.on_hand,
        stock.reserved,
    )


def test_settle_payments_asks_again_later_and_less_often(api, silent):
    check_out(api, ready_cart(api))
    silent.found = Outcome(OutcomeStatus.UNKNOWN)

    moments = [later(30), later(31), later(36), later(42), later(47)]
    asked = [services.settle_payments(now=moment) for moment in moments]

    assert asked == [1, 0, 1, 0, 1]


def test_settle_payments_leaves_off_a_provider_that_is_silent(api, silent):
    for _ in range(4):
        check_out(api, ready_cart(api))
    silent.found = Outcome(OutcomeStatus.UNKNOWN)

    asked = [services.settle_payments(now=later()) for _ in range(3)]

    assert asked == [3, 1, 0]


def test_settle_payments_begins_nothing_once_its_time_is_over(api, silent, monkeypatch):
    for _ in range(2):
        check_out(api, ready_cart(api))
    monkeypatch.setattr(_paying, "RUN_SECONDS", 0.1)
    monkeypatch.setattr(silent, "find", lambda _: time.sleep(0.2) or CAPTURED)

    asked = [services.settle_payments(now=later()) for _ in range(3)]

    assert asked == [1, 1, 0]


def test_settle_payments_runs_one_at_a_time(api, silent):
    check_out(api, ready_cart(api))

    with sole_run("orders.settle_payments"):
        meanwhile = services.settle_payments(now=later())

    assert meanwhile == 0
    assert services.settle_payments(now=later()) == 1


def test_settled_payment_is_not_asked_about_again(api):
    check_out(api, ready_cart(api))

    assert services.settle_payments(now=later(3600)) == 0


def test_finalize_payment_twice_changes_nothing(api, silent):
    mug = make_goods(on_hand=2)
    payment = claim_payment(ready_cart(api, (mug, 2)))

    for _ in range(2):
        settled = services.finalize_payment(
            payment_id=payment.pk, outcome=CAPTURED, now=timezone.now()
        )

    assert settled.status == "captured"
    assert payment.events.count() == 2
    assert Stock.objects.get(variant=mug).on_hand == 0
    assert event_names() == ["orders.order_placed", "orders.order_paid"]


def test_failure_after_success_changes_nothing(api, silent):
    payment = claim_payment(ready_cart(api))
    services.finalize_payment(
        payment_id=payment.pk, outcome=CAPTURED, now=timezone.now()
    )

    services.finalize_payment(
        payment_id=payment.pk, outcome=REFUSED, now=timezone.now()
    )

    assert Order.objects.get().payment_status == "paid"


def test_success_after_failure_is_given_back(api, silent):
    payment = claim_payment(ready_cart(api))
    services.finalize_payment(
        payment_id=payment.pk, outcome=REFUSED, now=timezone.now()
    )

    services.finalize_payment(
        payment_id=payment.pk, outcome=CAPTURED, now=timezone.now()
    )
    services.reverse_payment(payment_id=payment.pk, now=timezone.now())

    payment.refresh_from_db()
    assert payment.status == "refunded"
    assert Order.objects.get().payment_status == "failed"
    assert Cart.objects.get().state == "open"
    assert timeline()[-1] == ("note", "", "")


def test_success_after_the_hold_expired_cancels_the_order_and_is_given_back(
    api, silent
):
    mug = make_goods(on_hand=2)
    payment = claim_payment(ready_cart(api, (mug, 2)))
    Reservation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    services.finalize_payment(
        payment_id=payment.pk, outcome=CAPTURED, now=timezone.now()
    )
    services.reverse_payment(payment_id=payment.pk, now=timezone.now())

    order = Order.objects.get()
    payment.refresh_from_db()
    assert (order.status, order.payment_status) == ("canceled", "voided")
    assert payment.status == "refunded"
    stock = Stock.objects.get(variant=mug)
    assert (stock.on_hand, stock.reserved) == (2, 0)
    assert not Reservation.objects.active().exists()
    assert "orders.order_placed" not in event_names()


def test_reversing_a_late_payment_leaves_the_order_to_the_one_that_paid(api, silent):
    cart = ready_cart(api)
    late = claim_payment(cart)
    now = timezone.now()
    services.finalize_payment(payment_id=late.pk, outcome=REFUSED, now=now)
    paid = claim_payment(cart, key="another")
    for payment in (paid, late):
        services.finalize_payment(payment_id=payment.pk, outcome=CAPTURED, now=now)
    cancel_meanwhile()

    states = []
    for payment in (late, paid):
        services.reverse_payment(payment_id=payment.pk, now=now)
        states.append(Order.objects.get().payment_status)

    assert states == ["paid", "refunded"]


def let_the_hold_expire():
    Reservation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def cancel_meanwhile():
    services.cancel_order(
        number=Order.objects.get().number,
        viewer=Viewer(is_staff=True),
        now=timezone.now(),
    )


def take_for_failed():
    services.finalize_payment(
        payment_id=Payment.objects.get().pk, outcome=REFUSED, now=timezone.now()
    )


LAPSES = [
    (let_the_hold_expire, ("canceled", "pending")),
    (cancel_meanwhile, ("canceled", "pending")),
    (take_for_failed, ("open", "failed")),
]


@pytest.mark.parametrize(("lapse", "standing"), LAPSES)
def test_success_that_comes_too_late_is_no_success_to_the_client(
    api, silent, lapse, standing
):
    def succeed_too_late(charge):
        lapse()
        return CAPTURED

    silent.authorize = succeed_too_late
    cart = ready_cart(api)

    response = check_out(api, cart, key="once")

    assert_lapsed(response, standing)
    assert check_out(api, cart, key="once").content == response.content


@pytest.mark.parametrize(("lapse", "standing"), LAPSES)
def test_repeated_request_for_what_came_too_late_is_no_success(
    api, silent, lapse, standing
):
    cart = ready_cart(api)
    check_out(api, cart, key="once")
    lapse()
    services.finalize_payment(
        payment_id=Payment.objects.get().pk, outcome=CAPTURED, now=timezone.now()
    )
    # As if the process had died before it kept its answer.
    IdempotencyRecord.objects.all().delete()

    assert_lapsed(check_out(api, cart, key="once"), standing)
    assert silent.asked == 1


def test_repeated_request_asks_for_no_money_for_a_canceled_order(api, silent):
    cart = ready_cart(api)
    check_out(api, cart, key="once")
    cancel_meanwhile()
    IdempotencyRecord.objects.all().delete()

    assert_lapsed(check_out(api, cart, key="once"), ("canceled", "pending"))
    assert silent.asked == 1


def assert_lapsed(response, standing):
    assert response.status_code == 409, response.content
    problem = response.json()
    assert problem["code"] == "order_lapsed"
    order = problem["order"]
    assert (order["status"], order["payment_status"]) == standing


def test_settle_payments_repeats_a_reversal_that_failed(api, silent, monkeypatch):
    payment = claim_payment(ready_cart(api))
    services.finalize_payment(
        payment_id=payment.pk, outcome=REFUSED, now=timezone.now()
    )
    services.finalize_payment(
        payment_id=payment.pk, outcome=CAPTURED, now=timezone.now()
    )
    with monkeypatch.context() as outage:
        outage.setattr(
            SilentProvider, "refund", lambda *_, **__: Outcome(OutcomeStatus.UNKNOWN)
        )
        services.reverse_payment(payment_id=payment.pk, now=timezone.now())
    payment.refresh_from_db()
    assert payment.status == "captured"

    services.settle_payments(now=later())

    payment.refresh_from_db()
    assert payment.status == "refunded"
    assert payment.next_check_at is None


CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


def queries_of_check_out(client, cart):
    with CaptureQueriesContext(connection) as captured:
        response = check_out(client, cart)
    assert response.status_code == 201, response.content
    statements = [query["sql"] for query in captured]
    return len([sql for sql in statements if not sql.startswith(CONTROL)])


def test_check_out_costs_the_same_queries_with_1_and_20_lines(api):
    goods = [make_goods() for _ in range(20)]
    small = ready_cart(api, (goods[0], 1))
    large = ready_cart(api, *((variant, 1) for variant in goods))

    counts = [queries_of_check_out(api, cart) for cart in (small, large)]

    assert counts[0] == counts[1] <= 22


def test_order_has_the_members_that_its_schema_declares(api):
    cart = ready_cart(api)

    shown = check_out(api, cart).json()
    shown.pop("access_token")

    optional = {
        f"addresses.{kind}.{name}"
        for kind in ("shipping", "billing")
        for name in ("company", "line2", "region", "phone")
    }
    assert members_of(shown) == shape_of(OrderSerializer()) - optional
