import pytest
from django.utils import timezone

from accounts.tests.factories import make_user
from catalog.tests.factories import make_variant
from core.ids import uuid7
from core.tests.administration import assert_cost_is_flat
from inventory import services
from inventory.models import Movement, Stock, Warehouse
from inventory.tests.factories import make_stock, make_warehouse, reserve

pytestmark = pytest.mark.django_db
STOCK = "/admin/inventory/stock/"
WAREHOUSES = "/admin/inventory/warehouse/"


@pytest.fixture
def keeper(client):
    """Has the role warehouse."""
    keeper = make_user(roles=("warehouse",))
    client.force_login(keeper)
    client.user_id = keeper.pk
    return client


def form(stock, **changes):
    return {
        "low_stock_threshold": stock.low_stock_threshold,
        "backorder_limit": stock.backorder_limit,
        "seen_on_hand": stock.on_hand,
    } | changes


def edit(client, stock, **changes):
    address = f"{STOCK}{stock.pk}/change/"
    return client.post(address, form(stock, **changes), follow=True)


def told(response):
    return [str(message) for message in response.context["messages"]]


def make_reservation():
    reserve({make_stock(on_hand=5): 2})


@pytest.mark.parametrize(
    ("page", "make_row"),
    [
        ("stock", lambda: make_stock(on_hand=5)),
        ("warehouse", lambda: make_warehouse(str(uuid7()).replace("-", ""))),
        ("reservation", make_reservation),
        ("movement", make_reservation),
    ],
)
def test_a_list_costs_the_same_for_any_number_of_rows(keeper, page, make_row):
    assert_cost_is_flat(keeper, f"/admin/inventory/{page}/", make_row)


@pytest.mark.parametrize(
    ("given", "on_hand", "kind"),
    [({"change": -2}, 8, "adjusted"), ({"counted": 4}, 4, "counted")],
)
def test_units_are_adjusted_by_the_service(keeper, given, on_hand, kind):
    stock = make_stock(on_hand=10)

    edit(keeper, stock, reason="Broken", **given)

    stock.refresh_from_db()
    assert stock.on_hand == on_hand
    movement = Movement.objects.latest("id")
    assert (movement.kind, movement.reason) == (kind, "Broken")
    assert movement.actor_id == keeper.user_id


def test_settings_are_changed_without_a_movement(keeper):
    stock = make_stock(on_hand=10)
    before = Movement.objects.count()

    edit(keeper, stock, low_stock_threshold=3, backorder_limit=4)

    stock.refresh_from_db()
    assert (stock.low_stock_threshold, stock.backorder_limit) == (3, 4)
    assert Movement.objects.count() == before


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"change": 1, "counted": 1, "reason": "x"}, "counted"),
        ({"change": 1}, "reason"),
        ({"counted": -1, "reason": "x"}, "counted"),
        ({"change": 10**12, "reason": "x"}, "change"),
    ],
)
def test_a_form_that_makes_no_sense_is_shown_again(keeper, given, field):
    stock = make_stock(on_hand=10)

    response = edit(keeper, stock, **given)

    assert field in response.context["adminform"].form.errors
    stock.refresh_from_db()
    assert stock.on_hand == 10


def test_units_that_changed_meanwhile_are_not_overwritten(keeper):
    stock = make_stock(on_hand=10)
    services.adjust_stock(
        variant_id=stock.variant_id,
        warehouse_code="main",
        change=-1,
        reason="Sold over the counter",
        actor_id=None,
        now=timezone.now(),
    )

    response = edit(keeper, stock, counted=10, reason="Count", low_stock_threshold=7)

    assert len(response.context["adminform"].form.non_field_errors()) == 1
    assert response.context["adminform"].form["reason"].value() == "Count"
    stock.refresh_from_db()
    assert (stock.on_hand, stock.low_stock_threshold) == (9, 0)


def test_what_buyers_hold_cannot_be_taken_away(keeper):
    stock = make_stock(on_hand=5)
    reserve({stock: 4})

    response = edit(keeper, stock, counted=3, reason="Count")

    assert len(response.context["adminform"].form.non_field_errors()) == 1
    assert response.context["adminform"].form["reason"].value() == "Count"
    stock.refresh_from_db()
    assert stock.on_hand == 5


def test_a_first_count_makes_the_row(keeper):
    variant, warehouse = make_variant(), make_warehouse()

    response = keeper.post(
        f"{STOCK}add/",
        {
            "variant": str(variant.pk),
            "warehouse": str(warehouse.pk),
            "counted": 12,
            "reason": "Opening",
        },
    )

    assert response.status_code == 302
    stock = Stock.objects.get()
    assert (stock.variant_id, stock.on_hand) == (variant.pk, 12)
    variant.refresh_from_db()
    assert variant.in_stock


def test_a_new_row_needs_a_count(keeper):
    given = {"variant": str(make_variant().pk), "warehouse": str(make_warehouse().pk)}

    response = keeper.post(f"{STOCK}add/", given)

    assert list(response.context["adminform"].form.errors) == ["counted"]


def test_low_stock_is_found(keeper):
    low = make_stock(on_hand=2, low_stock_threshold=5)
    make_stock(on_hand=9, low_stock_threshold=5)

    page = keeper.get(f"{STOCK}?low=yes").context["cl"]

    assert [stock.pk for stock in page.result_list] == [low.pk]


def test_closing_a_warehouse_takes_its_goods_off_sale(keeper):
    stock = make_stock(on_hand=5)
    address = f"{WAREHOUSES}{stock.warehouse_id}/change/"

    keeper.post(address, {"name": "Old hall", "priority": 5})

    warehouse = Warehouse.objects.get()
    assert (warehouse.name, warehouse.code) == ("Old hall", "main")
    assert not warehouse.is_active
    stock.variant.refresh_from_db()
    assert not stock.variant.in_stock


def test_a_warehouse_is_opened(keeper):
    given = {"name": "North", "code": "north", "priority": 5, "is_active": "on"}

    assert keeper.post(f"{WAREHOUSES}add/", given).status_code == 302
    assert Warehouse.objects.get().priority == 5


def test_the_ledger_is_shown_and_not_edited(keeper):
    make_reservation()
    address = f"/admin/inventory/movement/{Movement.objects.latest('id').pk}/"

    assert keeper.get(f"{address}change/").status_code == 200
    assert keeper.post(f"{address}change/", {}).status_code == 403
    assert keeper.post(f"{address}delete/", {}).status_code == 403
    assert keeper.get("/admin/inventory/movement/add/").status_code == 403
