import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import make_user
from inventory import services as inventory_services
from inventory.tests.factories import make_stock
from orders.models import Order
from orders.tests.factories import ADDRESS

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def today():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def boss(client):
    client.force_login(make_user(roles=("admin",)))
    return client


def make_order(*, days_ago=0, amount=1000, currency="EUR", **fields):
    return Order.objects.create(
        cart_id=uuid4(),
        number=f"SW-{uuid4().hex[:8]}",
        email="anna@example.com",
        currency=currency,
        subtotal_amount=amount,
        total_amount=amount,
        shipping_address=ADDRESS,
        billing_address=ADDRESS,
        placed_at=NOW - timedelta(days=days_ago),
        **{"payment_status": "paid", "paid_at": NOW} | fields,
    )


def sell_out(stock, *, units):
    inventory_services.adjust_stock(
        variant_id=stock.variant_id,
        warehouse_code="main",
        change=-units,
        reason="Sold",
        actor_id=None,
        now=NOW,
    )


def figures_of(client):
    context = client.get("/admin/").context
    return {figure.title: (figure.value, figure.note) for figure in context["figures"]}


def chart_of(client, number):
    [dataset] = json.loads(client.get("/admin/").context["charts"][number]["value"])[
        "datasets"
    ]
    return dataset["data"]


def test_an_empty_shop_has_a_dashboard(boss):
    assert figures_of(boss) == {
        "Orders": ("0", "none in the 30 days before"),
        "Sales": ("€0.00", "none in the 30 days before"),
        "Average order": ("€0.00", "in EUR"),
        "Stock-outs": ("0", "times that an item ran out"),
    }
    assert [len(chart_of(boss, number)) for number in range(3)] == [30, 30, 30]


def test_sales_are_summed_up_against_the_days_before(boss):
    make_order(amount=1000)
    make_order(amount=2000, days_ago=29)
    make_order(amount=1500, days_ago=30)

    assert figures_of(boss) == {
        "Orders": ("2", "+100 % against the 30 days before"),
        "Sales": ("€30.00", "+100 % against the 30 days before"),
        "Average order": ("€15.00", "in EUR"),
        "Stock-outs": ("0", "times that an item ran out"),
    }
    orders, sales = chart_of(boss, 0), chart_of(boss, 1)
    assert (orders[0], orders[-1], sum(orders)) == (1, 1, 2)
    assert (sales[0], sales[-1], sum(sales)) == (20.0, 10.0, 30.0)


def test_what_was_not_sold_does_not_count(boss):
    make_order(status="canceled", canceled_at=NOW)
    make_order(payment_status="pending", paid_at=None)
    make_order(payment_status="failed", paid_at=None)
    make_order(payment_status="authorized", paid_at=None)

    assert figures_of(boss)["Orders"][0] == "1"


def test_other_currencies_are_named_and_not_added(boss):
    make_order(amount=1000)
    make_order(amount=5000, currency="USD")

    figures = figures_of(boss)

    assert figures["Sales"] == ("€10.00", "and $50.00")
    assert figures["Average order"] == ("€10.00", "in EUR")
    assert sum(chart_of(boss, 1)) == 10.0


def test_an_item_that_runs_out_is_counted_once_a_day_and_listed(boss):
    stock = make_stock(on_hand=3)
    make_stock(on_hand=50)
    sell_out(stock, units=2)
    sell_out(stock, units=1)

    assert figures_of(boss)["Stock-outs"][0] == "1"
    assert chart_of(boss, 2)[-1] == 1
    [table] = [
        t for t in boss.get("/admin/").context["tables"] if "stock" in t["title"]
    ]
    assert [row[3] for row in table["table"]["rows"]] == [0]


def test_the_latest_orders_are_listed_with_links(boss):
    orders = [make_order(days_ago=days) for days in (3, 1, 2)]

    page = boss.get("/admin/").text

    places = [page.index(order.number) for order in orders]
    assert places[1] < places[2] < places[0]
    assert f"/admin/orders/order/{orders[0].pk}/change/" in page


def test_the_dashboard_costs_the_same_for_any_number_of_orders(boss):
    def cost():
        with CaptureQueriesContext(connection) as captured:
            assert boss.get("/admin/").status_code == 200
        return len(captured)

    make_order()
    make_stock(on_hand=0)
    cost()
    with_one = cost()
    for days in range(5):
        make_order(days_ago=days, currency=("EUR", "USD")[days % 2])
        make_stock(on_hand=0)

    assert cost() == with_one


@pytest.mark.parametrize(
    ("role", "titles"),
    [
        ("support", ["Orders", "Sales", "Average order"]),
        ("warehouse", ["Stock-outs"]),
        ("catalog_manager", []),
    ],
)
def test_everyone_sees_the_figures_of_the_own_role(client, role, titles):
    make_order()
    client.force_login(make_user(roles=(role,)))

    response = client.get("/admin/")

    assert [figure.title for figure in response.context["figures"]] == titles
    assert ("anna@example.com" in response.text) == (role == "support")


def test_the_menu_shows_what_the_role_may_see(client):
    client.force_login(make_user(roles=("warehouse",)))

    page = client.get("/admin/").text

    assert "/admin/inventory/stock/" in page
    assert "/admin/orders/order/" not in page
    assert "/admin/core/auditentry/" not in page
