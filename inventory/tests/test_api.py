import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from catalog.tests.factories import make_variant
from core.ids import uuid7
from core.tests.racing import race
from inventory import services
from inventory.models import Movement, Stock, Warehouse
from inventory.tests.factories import NOW, make_stock, make_warehouse, reserve

pytestmark = pytest.mark.django_db


@pytest.fixture
def keeper(staff, api_as):
    """Somebody who works in the warehouse."""
    return api_as(staff("warehouse"))


def get(client, path, **query):
    return client.get(f"/api/v1/{path}", query)


def patch(client, path, **body):
    return client.patch(f"/api/v1/{path}", body, format="json")


def adjust(client, key="adjustment-1", **body):
    body = {"warehouse": "main", "reason": "Check"} | body
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(
        "/api/v1/stock/adjustments", body, format="json", headers=headers
    )


def ids_of(response):
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def shown(stock):
    stock.refresh_from_db()
    return {
        "id": str(stock.id),
        "variant_id": str(stock.variant_id),
        "sku": stock.variant.sku,
        "warehouse": stock.warehouse.code,
        "on_hand": stock.on_hand,
        "reserved": stock.reserved,
        "available": stock.on_hand - stock.reserved,
        "low_stock_threshold": stock.low_stock_threshold,
        "backorder_limit": stock.backorder_limit,
    }


def test_list_stock_shows_each_row(keeper):
    stock = make_stock(on_hand=5, low_stock_threshold=1, backorder_limit=2)
    reserve({stock: 2})

    response = get(keeper, "stock")

    assert response.json() == {
        "next": None,
        "previous": None,
        "results": [shown(stock)],
    }


def test_list_stock_filters(keeper):
    first = make_stock(on_hand=5, low_stock_threshold=5)
    second = make_stock(on_hand=5, low_stock_threshold=4, warehouse="north")
    third = make_stock(second.variant, on_hand=0)

    def listed(**query):
        return ids_of(get(keeper, "stock", **query))

    ids = [str(stock.id) for stock in (first, second, third)]
    assert listed() == ids
    assert listed(sku=second.variant.sku) == ids[1:]
    assert listed(variant_id=first.variant_id) == ids[:1]
    assert listed(warehouse="north") == ids[1:2]
    assert listed(low="true") == ids[:1]
    assert listed(low="false") == ids[1:]
    assert listed(sku="NONE") == []


@pytest.mark.parametrize(
    "query",
    [
        {"variant_id": "1"},
        {"low": "perhaps"},
        {"sku": ""},
        {"sku": "x" * 256},
    ],
)
def test_list_stock_refuses_impossible_values(keeper, query):
    response = get(keeper, "stock", **query)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter")
    assert [response.json()["parameter"]] == list(query)


def test_list_stock_refuses_unknown_parameters(keeper):
    response = get(keeper, "stock", colour="red")

    assert (response.status_code, response.json()["code"]) == (400, "unknown_parameter")


def test_list_stock_pages(keeper):
    ids = [str(make_stock().id) for _ in range(3)]

    first = get(keeper, "stock", limit=2)
    second = keeper.get(first.json()["next"])

    assert (ids_of(first), ids_of(second)) == (ids[:2], ids[2:])
    assert second.json()["next"] is None
    assert ids_of(keeper.get(second.json()["previous"])) == ids[:2]


@pytest.mark.parametrize(
    "path", ["stock", "stock/movements", "stock/reservations", "warehouses"]
)
def test_lists_cost_the_same_for_one_row_and_three(keeper, path):
    def queries_of_list():
        with CaptureQueriesContext(connection) as queries:
            rows = len(ids_of(get(keeper, path)))
        return rows, len(queries)

    reserve({make_stock(on_hand=2, warehouse="one"): 1})
    rows, queries = queries_of_list()
    for name in ("two", "three"):
        reserve({make_stock(on_hand=2, warehouse=name): 1})
    more_rows, same_queries = queries_of_list()

    assert more_rows == 3 * rows
    assert same_queries == queries


def test_patch_stock_sets_the_threshold_and_the_limit(keeper):
    stock = make_stock(on_hand=5)

    response = patch(
        keeper, f"stock/{stock.id}", low_stock_threshold=3, backorder_limit=7
    )

    assert response.status_code == 200
    assert response.json() == shown(stock)
    assert (stock.low_stock_threshold, stock.backorder_limit) == (3, 7)


def test_patch_stock_with_a_backorder_limit_makes_an_empty_row_sellable(keeper):
    stock = make_stock(on_hand=0)

    patch(keeper, f"stock/{stock.id}", backorder_limit=1)

    stock.variant.refresh_from_db()
    assert stock.variant.in_stock


def test_patch_stock_keeps_what_buyers_hold(keeper):
    stock = make_stock(on_hand=1, backorder_limit=3)
    reserve({stock: 3})

    response = patch(keeper, f"stock/{stock.id}", backorder_limit=1)

    problem = response.json()
    assert (response.status_code, problem["code"]) == (409, "stock_below_reserved")
    assert (problem["on_hand"], problem["reserved"], problem["minimum"]) == (1, 3, 2)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"on_hand": 9}, "#/on_hand"),
        ({"backorder_limit": -1}, "#/backorder_limit"),
        ({"backorder_limit": 10**10}, "#/backorder_limit"),
        ({"low_stock_threshold": None}, "#/low_stock_threshold"),
    ],
)
def test_patch_stock_refuses_other_members_and_values(keeper, body, pointer):
    response = patch(keeper, f"stock/{make_stock().id}", **body)

    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize("path", ["stock", "warehouses"])
def test_patch_of_an_unknown_row_is_not_found(keeper, path):
    response = patch(keeper, f"{path}/{uuid7()}")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_adjust_stock_by_sku_answers_the_row(keeper):
    stock = make_stock(on_hand=5)

    response = adjust(keeper, sku=stock.variant.sku, change=-2, reason="Broken")

    assert response.status_code == 201
    assert response.json() == shown(stock)
    assert stock.on_hand == 3


def test_adjust_stock_says_in_the_ledger_who_did_it_and_why(staff, api_as):
    stock, person = make_stock(on_hand=5), staff("warehouse")

    adjust(api_as(person), variant_id=stock.variant_id, counted=9, reason="Yearly")

    line = Movement.objects.latest("id")
    assert (line.kind, line.on_hand_change, line.reason, line.actor_id) == (
        "counted",
        4,
        "Yearly",
        person.id,
    )


def test_adjust_stock_needs_an_idempotency_key_and_replays(keeper):
    stock = make_stock(on_hand=5)
    body = {"sku": stock.variant.sku, "change": 1}

    without = adjust(keeper, key=None, **body)
    first, again = adjust(keeper, **body), adjust(keeper, **body)

    assert without.json()["code"] == "idempotency_key_required"
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert shown(stock)["on_hand"] == 6


def test_adjust_stock_answers_the_figure_that_moved(keeper):
    stock = make_stock(on_hand=5)

    response = adjust(keeper, sku=stock.variant.sku, counted=9, expected_on_hand=4)

    assert (response.status_code, response.json()["code"]) == (409, "stock_changed")
    assert response.json()["on_hand"] == 5
    assert shown(stock)["on_hand"] == 5


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"sku": "NONE", "change": 1}, 422, "unknown_variant"),
        ({"sku": "MUG", "change": 1, "warehouse": "moon"}, 422, "unknown_warehouse"),
        ({"sku": "MUG", "change": 1_000_000_000}, 422, "stock_too_high"),
        ({"sku": "MUG", "change": -6}, 409, "stock_below_reserved"),
        ({"sku": "MUG", "change": 0}, 422, "validation_error"),
        ({"sku": "MUG", "change": 1, "counted": 1}, 422, "validation_error"),
        ({"sku": "MUG"}, 422, "validation_error"),
        ({"change": 1}, 422, "validation_error"),
        ({"sku": "MUG", "change": 1, "reason": ""}, 422, "validation_error"),
        ({"sku": "MUG", "change": 1, "on_hand": 1}, 422, "validation_error"),
        ({"sku": "MUG", "counted": 10**15}, 422, "validation_error"),
    ],
)
def test_adjust_stock_refuses_with_the_reason(keeper, body, status, code):
    stock = make_stock(make_variant(sku="MUG"), on_hand=5)

    response = adjust(keeper, **body)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert shown(stock)["on_hand"] == 5


@pytest.mark.django_db(transaction=True)
def test_adjust_stock_says_busy_when_a_lock_does_not_come_in_time(keeper):
    stock = make_stock(on_hand=5)

    def adjust_hurriedly():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        return adjust(keeper, sku=stock.variant.sku, change=1)

    with transaction.atomic():
        Stock.objects.select_for_update().get()
        (response,) = race([adjust_hurriedly])

    assert (response.status_code, response.json()["code"]) == (503, "busy")
    assert response.headers["Retry-After"] == "1"


def test_list_movements_is_the_ledger_newest_first(keeper):
    stock = make_stock(on_hand=5)
    reference = reserve({stock: 2})
    services.consume_stock(reference=reference, now=NOW)

    lines = get(keeper, "stock/movements").json()["results"]

    assert [line["kind"] for line in lines] == ["shipped", "reserved", "counted"]
    assert lines[0] | {"id": "", "created_at": ""} == {
        "id": "",
        "stock_id": str(stock.id),
        "variant_id": str(stock.variant_id),
        "sku": stock.variant.sku,
        "warehouse": "main",
        "kind": "shipped",
        "on_hand_change": -2,
        "reserved_change": -2,
        "on_hand_after": 3,
        "reserved_after": 0,
        "reason": "",
        "reference": str(reference),
        "actor_id": None,
        "created_at": "",
    }


def test_list_movements_filters(keeper):
    stock, other = make_stock(on_hand=5), make_stock(on_hand=5, warehouse="north")
    reference = reserve({stock: 2})

    def kinds(**query):
        response = get(keeper, "stock/movements", **query)
        return [line["kind"] for line in response.json()["results"]]

    assert kinds(stock_id=stock.id) == ["reserved", "counted"]
    assert kinds(variant_id=other.variant_id) == ["counted"]
    assert kinds(sku=stock.variant.sku) == ["reserved", "counted"]
    assert kinds(warehouse="north") == ["counted"]
    assert kinds(kind="reserved") == ["reserved"]
    assert kinds(reference=reference) == ["reserved"]


def test_list_reservations_shows_and_filters(keeper):
    stock = make_stock(on_hand=5)
    kept, released = reserve({stock: 2}), reserve({stock: 1})
    services.release_stock(reference=released, now=NOW)

    def references(**query):
        response = get(keeper, "stock/reservations", **query)
        return [row["reference"] for row in response.json()["results"]]

    assert references() == [str(released), str(kept)]
    assert references(state="active") == [str(kept)]
    assert references(reference=released) == [str(released)]
    row = get(keeper, "stock/reservations", state="active").json()["results"][0]
    assert row | {"id": "", "created_at": ""} == {
        "id": "",
        "stock_id": str(stock.id),
        "variant_id": str(stock.variant_id),
        "sku": stock.variant.sku,
        "warehouse": "main",
        "reference": str(kept),
        "quantity": 2,
        "state": "active",
        "expires_at": "2026-11-20T12:15:00.000000Z",
        "created_at": "",
        "closed_at": None,
    }


def test_warehouses_are_created_listed_and_changed(keeper):
    make_warehouse("main", priority=5)

    created = keeper.post(
        "/api/v1/warehouses",
        {"code": "north", "name": "Nordlager", "priority": 1},
        format="json",
    )
    changed = patch(keeper, f"warehouses/{created.json()['id']}", name="North")

    assert (created.status_code, changed.status_code) == (201, 200)
    assert changed.json() == created.json() | {"name": "North"}
    listed = get(keeper, "warehouses").json()["results"]
    assert [row["code"] for row in listed] == ["north", "main"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"code": "main", "name": "Again"}, 409, "warehouse_code_taken"),
        ({"code": "no space", "name": "New"}, 422, "validation_error"),
        ({"code": "new"}, 422, "validation_error"),
        ({"code": "new", "name": "New", "priority": 99_999}, 422, "validation_error"),
    ],
)
def test_create_warehouse_refuses_with_the_reason(keeper, body, status, code):
    make_warehouse("main")

    response = keeper.post("/api/v1/warehouses", body, format="json")

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert Warehouse.objects.count() == 1


def test_closing_a_warehouse_takes_its_goods_off_sale_until_it_opens(keeper):
    stock = make_stock(on_hand=5)
    elsewhere = make_stock(on_hand=5)
    make_stock(elsewhere.variant, on_hand=1, warehouse="north")

    def on_sale():
        for row in (stock, elsewhere):
            row.variant.refresh_from_db()
        return stock.variant.in_stock, elsewhere.variant.in_stock

    patch(keeper, f"warehouses/{stock.warehouse_id}", is_active=False)
    assert on_sale() == (False, True)
    patch(keeper, f"warehouses/{stock.warehouse_id}", is_active=True)
    assert on_sale() == (True, True)


OPERATIONS = [
    ("get", "stock"),
    ("patch", "stock/{stock}"),
    ("post", "stock/adjustments"),
    ("get", "stock/movements"),
    ("get", "stock/reservations"),
    ("get", "warehouses"),
    ("post", "warehouses"),
    ("patch", "warehouses/{warehouse}"),
]


REFUSALS = {
    "": 401,
    "customer": 403,
    "support": 403,
    "catalog_manager": 403,
    "moderator": 403,
    "warehouse": None,
    "admin": None,
}


@pytest.fixture
def client(request, api, api_as, staff):
    return api_as(staff(request.param)) if request.param else api


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize(("client", "refusal"), REFUSALS.items(), indirect=["client"])
def test_access(client, method, path, refusal):
    stock = make_stock()
    path = path.format(stock=stock.id, warehouse=stock.warehouse_id)
    body = {} if method == "get" else {"format": "json"}

    response = getattr(client, method)(
        f"/api/v1/{path}", headers={"Idempotency-Key": "access"}, **body
    )

    # Who is let in is answered, or told what is missing.
    assert response.status_code in ({refusal} if refusal else {200, 422})


def test_a_stock_row_that_was_made_by_an_adjustment_is_listed(keeper):
    make_warehouse()
    variant = make_variant()

    adjust(keeper, variant_id=variant.id, counted=3)

    assert ids_of(get(keeper, "stock")) == [str(Stock.objects.get().id)]
