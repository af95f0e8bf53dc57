import pytest
from django.contrib.auth.models import Permission

from accounts.tests.factories import make_user
from core.tests.administration import assert_cost_is_flat
from inventory.models import Stock
from orders.models import Order, Payment, ShippingOption
from orders.tests.factories import make_goods, make_shipping_option
from orders.tests.shopping import add, cart_of, check_out, ready_cart

pytestmark = pytest.mark.django_db
ORDERS = "/admin/orders/order/"
OPTIONS = "/admin/orders/shippingoption/"


@pytest.fixture
def support(client):
    """Has the role support."""
    user = make_user(roles=("support",))
    client.force_login(user)
    client.user_id = user.pk
    return client


@pytest.fixture
def boss(client):
    client.force_login(make_user(roles=("admin",)))
    return client


@pytest.fixture
def place_order(api, simulator):
    def place(**changes):
        check_out(api, ready_cart(api, (make_goods(), 2), **changes))
        return Order.objects.latest("id")

    return place


def told(response):
    return [str(message) for message in response.context["messages"]]


def test_the_list_of_orders_costs_the_same_for_any_number(support, place_order):
    assert_cost_is_flat(support, ORDERS, place_order)


def test_the_list_of_payments_costs_the_same_for_any_number(support, place_order):
    assert_cost_is_flat(support, "/admin/orders/payment/", place_order)


def test_the_list_of_carts_costs_the_same_for_any_number(support, api):
    assert_cost_is_flat(
        support, "/admin/orders/cart/", lambda: add(api, cart_of(api), make_goods())
    )


def test_the_list_of_shipping_options_costs_the_same_for_any_number(support):
    assert_cost_is_flat(support, OPTIONS, make_shipping_option)


def test_an_order_shows_its_lines_payments_and_timeline(support, place_order):
    order = place_order()

    page = support.get(f"{ORDERS}{order.pk}/change/")

    assert page.status_code == 200
    line = order.lines.get()
    told = [line.product_title, "1 Tom Quad", "sim_ok", "€44.88", "€39.98", "€19.99"]
    assert [text for text in told if text not in page.text] == []


def test_the_page_of_an_order_costs_the_same_for_any_number_of_lines(
    support, api, simulator, django_assert_max_num_queries
):
    def cost(lines):
        check_out(api, ready_cart(api, *((make_goods(), 1) for _ in range(lines))))
        address = f"{ORDERS}{Order.objects.latest('id').pk}/change/"
        support.get(address)
        with django_assert_max_num_queries(40) as captured:
            support.get(address)
        return len(captured)

    assert cost(1) == cost(3)


def test_an_address_is_escaped(support, place_order):
    order = place_order()
    order.shipping_address |= {"company": "<script>alert(1)</script>"}
    order.save(update_fields=["shipping_address"])

    page = support.get(f"{ORDERS}{order.pk}/change/").text

    assert "<script>alert(1)" not in page


def test_orders_are_found_by_number_and_address(support, place_order):
    order = place_order(email="anna@example.com")
    place_order(email="berta@example.com")

    for query in (order.number.lower(), "ANNA@"):
        found = support.get(f"{ORDERS}?q={query}").context["cl"].result_list
        assert [one.pk for one in found] == [order.pk]


def test_nobody_edits_an_order(support, place_order):
    address = f"{ORDERS}{place_order().pk}/"

    assert support.post(f"{address}change/", {}).status_code == 403
    assert support.post(f"{address}delete/", {}).status_code == 403
    assert support.get(f"{ORDERS}add/").status_code == 403


def test_cancel_brings_the_goods_back_and_says_why_it_did_not(support, place_order):
    order = place_order()
    chosen = {"action": "cancel", "_selected_action": [str(order.pk)]}

    first = support.post(ORDERS, chosen, follow=True)
    second = support.post(ORDERS, chosen, follow=True)

    order.refresh_from_db()
    assert order.status == "canceled"
    assert order.timeline.filter(to_state="canceled", actor_id=support.user_id).exists()
    assert Stock.objects.get().on_hand == 10
    assert told(first) == ["Canceled: 1."]
    [refusal] = told(second)
    assert refusal.startswith(f"{order.number}: ")


def test_looking_at_orders_does_not_let_one_cancel_them(client, place_order):
    order = place_order()
    viewer = make_user(roles=())
    viewer.is_staff = True
    viewer.save()
    grant(viewer, "view_order")
    client.force_login(viewer)

    client.post(ORDERS, {"action": "cancel", "_selected_action": [str(order.pk)]})

    order.refresh_from_db()
    assert order.status == "open"


def grant(user, codename):
    user.user_permissions.add(Permission.objects.get(codename=codename))


def test_a_payment_shows_what_the_provider_said(support, place_order):
    place_order()
    payment = Payment.objects.get()

    page = support.get(f"/admin/orders/payment/{payment.pk}/change/").text

    assert "captured" in page
    assert payment.provider_reference in page


def option_form(**changes):
    return {
        "name": "Express",
        "code": "express",
        "countries": "de, AT",
        "position": 1,
        "is_active": "on",
        "rates-TOTAL_FORMS": 1,
        "rates-INITIAL_FORMS": 0,
        "rates-0-currency": "EUR",
        "rates-0-amount": "9.90",
    } | changes


def test_a_shipping_option_is_made_with_its_rates(boss):
    response = boss.post(f"{OPTIONS}add/", option_form())

    assert response.status_code == 302
    option = ShippingOption.objects.get()
    assert option.countries == ["DE", "AT"]
    assert [(rate.currency, rate.amount) for rate in option.rates.all()] == [
        ("EUR", 990)
    ]
    page = boss.get(f"{OPTIONS}{option.pk}/change/").text
    assert "DE, AT" in page
    assert 'value="9.90"' in page


@pytest.mark.parametrize(
    "changes",
    [
        {"countries": "DE, XX"},
        {"rates-0-amount": "-1"},
        {"rates-0-amount": "1.999"},
        {"rates-0-amount": "much"},
        {"rates-0-amount": ""},
        {"rates-0-currency": "euro"},
        {"rates-0-currency": "XXQ"},
    ],
)
def test_a_shipping_option_that_makes_no_sense_is_refused(boss, changes):
    response = boss.post(f"{OPTIONS}add/", option_form(**changes))

    assert response.status_code == 200
    assert not ShippingOption.objects.exists()
