from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.models import AuditEntry
from core.tests.delivery import deliver_all
from inventory.models import Reservation, Stock
from orders import selectors, services
from orders.models import Cart, Order
from orders.payments.provider import Outcome, OutcomeStatus
from orders.tests.factories import make_goods
from orders.tests.shopping import (
    CAPTURED,
    DECLINED,
    STARTED,
    cancel,
    check_out,
    claim_payment,
    later,
    place,
    ready_cart,
    timeline,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


def numbers(response):
    assert response.status_code == 200, response.content
    return [order["number"] for order in response.json()["results"]]


def test_list_shows_own_orders_newest_first(api, api_as, customer, stranger):
    place(api)
    place(api_as(stranger))
    mine = [place(api_as(customer))["number"] for _ in range(2)]

    response = api_as(customer).get("/api/v1/orders")

    assert numbers(response) == mine[::-1]


def test_list_is_for_users(api):
    assert api.get("/api/v1/orders").status_code == 401


def test_list_shows_staff_every_order(api, api_as, customer, staff):
    placed = [place(api)["number"], place(api_as(customer))["number"]]

    assert numbers(api_as(staff("support")).get("/api/v1/orders")) == placed[::-1]
    assert numbers(api_as(staff("warehouse")).get("/api/v1/orders")) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=open", [0, 1]),
        ("status=canceled", [2]),
        ("payment_status=failed", [1]),
        ("fulfillment_status=unfulfilled", [0, 1, 2]),
        ("fulfillment_status=returned", []),
        ("email=B@example.com", [1]),
        ("placed_after=2026-01-02T00:00:00Z", [1, 2]),
        ("placed_before=2026-01-02T00:00:00Z", [0]),
        ("placed_after=2026-01-02T00:00:00Z&status=canceled", [2]),
    ],
)
def test_list_filters(api, api_as, staff, query, found):
    placed = [place(api, email=f"{letter}@example.com")["number"] for letter in "abc"]
    for day, number in enumerate(placed, start=1):
        Order.objects.filter(number=number).update(
            placed_at=f"2026-01-0{day}T12:00:00Z"
        )
    Order.objects.filter(number=placed[1]).update(payment_status="failed")
    Order.objects.filter(number=placed[2]).update(status="canceled")

    response = api_as(staff("support")).get(f"/api/v1/orders?{query}")

    assert numbers(response) == [placed[index] for index in reversed(found)]


@pytest.mark.parametrize(
    "query",
    [
        "status=lost",
        "placed_after=yesterday",
        "placed_after=2026-01-01T00:00:00",
        "placed_before=2026-99-01T00:00:00Z",
        "email=" + "x" * 300,
    ],
)
def test_list_refuses_impossible_filters(api_as, customer, query):
    response = api_as(customer).get(f"/api/v1/orders?{query}")

    assert response.status_code == 400
    assert response.json()["code"] == "invalid_parameter"


def test_list_refuses_unknown_filters(api_as, customer):
    response = api_as(customer).get("/api/v1/orders?colour=red")

    assert response.json()["code"] == "unknown_parameter"


def test_list_costs_the_same_queries_for_1_and_3_orders(api_as, customer):
    client = api_as(customer)
    counts = []
    for extra in (1, 2):
        for _ in range(extra):
            place(client, (make_goods(), 1), (make_goods(), 1))
        with CaptureQueriesContext(connection) as captured:
            client.get("/api/v1/orders")
        counts.append(len(captured))

    assert counts[0] == counts[1] == 4


def test_list_goes_on_where_the_page_ended(api_as, customer):
    client = api_as(customer)
    placed = [place(client)["number"] for _ in range(3)]

    first = client.get("/api/v1/orders?limit=2")
    second = client.get(first.json()["next"])

    assert numbers(first) + numbers(second) == placed[::-1]


def test_guest_sees_the_order_with_its_token_only(api, api_as, stranger):
    order = place(api)
    other = place(api)
    url = f"/api/v1/orders/{order['number']}"

    for token in ("", "x", other["access_token"], "ä"):
        for path in (url, f"{url}/timeline"):
            response = api.get(path, headers={"X-Order-Token": token})
            assert response.status_code == 404
            assert response.json()["code"] == "order_not_found"
    headers = {"X-Order-Token": order["access_token"]}
    assert api.get(url, headers=headers).status_code == 200
    assert api_as(stranger).get(url).status_code == 404
    assert api_as(stranger).get(url, headers=headers).status_code == 200


def test_users_order_is_for_him_and_for_staff(api, api_as, customer, stranger, staff):
    order = place(api_as(customer))
    token = selectors.access_token(Order.objects.get().pk)
    url = f"/api/v1/orders/{order['number']}"

    assert api_as(customer).get(url).status_code == 200
    assert api_as(staff("support")).get(url).status_code == 200
    assert api_as(staff("warehouse")).get(url).status_code == 404
    assert api_as(stranger).get(url).status_code == 404
    assert api.get(url, headers={"X-Order-Token": token}).status_code == 404


def test_unknown_number_is_not_found(api_as, customer):
    response = api_as(customer).get("/api/v1/orders/SW-1")

    assert response.json()["code"] == "order_not_found"


def test_timeline_tells_the_order_of_events(api_as, customer):
    client = api_as(customer)
    order = place(client)

    response = client.get(f"/api/v1/orders/{order['number']}/timeline")

    told = [
        (entry["field"], entry["from_state"], entry["to_state"])
        for entry in response.json()["results"]
    ]
    assert told == [*STARTED, ("payment_status", "pending", "paid")]


def test_cancel_returns_goods_and_money(api, simulator):
    mug = make_goods(on_hand=5)
    order = place(api, (mug, 2))
    payment = Order.objects.get().payments.get()

    response = cancel(api, order, token=order["access_token"], reason="Changed my mind")
    deliver_all()

    assert response.status_code == 200
    assert response.json()["status"] == "canceled"
    canceled = Order.objects.get()
    stock = Stock.objects.get(variant=mug)
    assert canceled.payment_status == "refunded"
    assert canceled.canceled_at is not None
    assert (stock.on_hand, stock.reserved) == (5, 0)
    assert simulator.kinds_of(payment.idempotency_key) == ["captured", "refunded"]
    assert timeline()[-2:] == [
        ("status", "open", "canceled"),
        ("payment_status", "paid", "refunded"),
    ]
    assert AuditEntry.objects.get(action="orders.canceled").after == {
        "status": "canceled"
    }


def test_cancel_voids_what_is_only_authorized(api, settings, simulator):
    settings.PAYMENT_AUTO_CAPTURE = False
    order = place(api)
    payment = Order.objects.get().payments.get()

    cancel(api, order, token=order["access_token"])
    deliver_all()

    assert Order.objects.get().payment_status == "voided"
    assert simulator.kinds_of(payment.idempotency_key) == ["authorized", "voided"]


def test_cancel_before_the_provider_answered_gives_the_money_back_later(api, silent):
    mug = make_goods(on_hand=5)
    order = check_out(api, ready_cart(api, (mug, 2))).json()

    response = cancel(api, order, token=order["access_token"])
    reserved = Stock.objects.get(variant=mug).reserved
    silent.found = CAPTURED
    services.settle_payments(now=later())
    deliver_all()

    assert response.status_code == 200
    assert reserved == 0
    canceled = Order.objects.get()
    assert (canceled.status, canceled.payment_status) == ("canceled", "voided")
    assert canceled.payments.get().status == "refunded"
    assert Stock.objects.get(variant=mug).on_hand == 5


def test_cancel_before_the_provider_declined(api, silent):
    order = check_out(api, ready_cart(api)).json()
    cancel(api, order, token=order["access_token"])
    silent.found = Outcome(OutcomeStatus.DECLINED, reference="x", failure_code="no")

    services.settle_payments(now=later())

    canceled = Order.objects.get()
    assert (canceled.status, canceled.payment_status) == ("canceled", "failed")
    assert Cart.objects.get().state == "checked_out"


def test_cancel_of_a_declined_order_closes_its_cart(api_as, customer):
    client = api_as(customer)
    cart = ready_cart(client)
    check_out(client, cart, DECLINED)
    order = {"number": Order.objects.get().number}

    assert cancel(client, order).status_code == 200

    assert Order.objects.get().status == "canceled"
    assert check_out(client, cart).json()["code"] == "cart_already_checked_out"


@pytest.mark.parametrize(
    "state",
    [
        {"status": "canceled"},
        {"status": "completed"},
        {"fulfillment_status": "partially_fulfilled"},
        {"fulfillment_status": "fulfilled"},
    ],
)
def test_cancel_refuses_what_is_over_or_sent(api, state):
    order = place(api)
    Order.objects.update(**state)

    response = cancel(api, order, token=order["access_token"])

    assert response.status_code == 409
    assert response.json()["code"] == "order_not_cancelable"
    assert not Reservation.objects.exclude(state="consumed").exists()


def test_cancel_is_for_the_owner_and_support(api, api_as, customer, stranger, staff):
    order = place(api_as(customer))

    for client in (api, api_as(stranger), api_as(staff("warehouse"))):
        assert cancel(client, order).json()["code"] == "order_not_found"
    support = staff("support")
    assert cancel(api_as(support), order).status_code == 200
    entry = Order.objects.get().timeline.get(to_state="canceled")
    assert entry.actor_id == support.pk


def test_placed_order_counts_its_sales_once(api):
    mug = make_goods(on_hand=5)
    place(api, (mug, 2))

    deliver_all()
    deliver_all()

    sold = mug.product.cards.values_list("sold_quantity", flat=True)
    assert set(sold) == {2}


def test_order_summary_is_what_a_mail_needs(api):
    order = place(api, (make_goods(prices={"EUR": 1000}), 2))

    summary = selectors.get_order_summary(Order.objects.get().pk)

    assert summary.number == order["number"]
    assert summary.email == "guest@example.com"
    assert summary.totals.total.amount == 2490
    assert [(line.quantity, line.total.amount) for line in summary.lines] == [(2, 2000)]
    assert order["access_token"] in summary.status_url


def test_order_summary_of_a_user_carries_no_token(api_as, customer):
    place(api_as(customer))

    assert "token" not in selectors.get_order_summary(Order.objects.get().pk).status_url


def test_reversal_repeated_by_the_outbox_happens_once(api, simulator):
    order = place(api)
    payment = Order.objects.get().payments.get()
    cancel(api, order, token=order["access_token"])

    for _ in range(2):
        services.reverse_payment(payment_id=payment.pk, now=timezone.now())

    assert simulator.kinds_of(payment.idempotency_key) == ["captured", "refunded"]
    assert payment.events.filter(kind="refunded").count() == 1


def test_claimed_payment_waits_for_the_sweeper(api, silent):
    payment = claim_payment(ready_cart(api))

    assert payment.next_check_at - payment.created_at == timedelta(seconds=20)
