from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Price, Product
from catalog.tests.factories import make_variant
from inventory.models import Reservation, Stock
from orders.models import Cart
from orders.serializers import CartSerializer
from orders.tests.factories import ADDRESS, make_goods, make_shipping_option
from orders.tests.shopping import add, cart_of, members_of, open_cart, patch, shape_of

pytestmark = pytest.mark.django_db


def problem_codes(cart):
    return [problem["code"] for problem in cart["problems"]]


def test_open_cart_prices_its_lines(api):
    mug = make_goods(sku="MUG", prices={"EUR": 1250})

    cart = cart_of(api, (mug, 2))

    (line,) = cart["items"]
    assert line["variant"]["sku"] == "MUG"
    assert line["unit_price"] == {"amount": 1250, "currency": "EUR"}
    assert line["total"] == {"amount": 2500, "currency": "EUR"}
    assert line["available"] == 10
    assert cart["totals"]["total"] == {"amount": 2500, "currency": "EUR"}
    assert cart["version"] == 1
    assert problem_codes(cart) == [
        "email_missing",
        "shipping_address_missing",
        "shipping_option_missing",
    ]


def test_open_cart_sums_two_lines_of_one_variant(api):
    mug = make_goods()

    cart = cart_of(api, (mug, 2), (mug, 3))

    assert [line["quantity"] for line in cart["items"]] == [5]


def test_open_cart_empty_says_so(api):
    cart = cart_of(api)

    assert cart["items"] == []
    assert problem_codes(cart)[0] == "cart_empty"


def test_open_cart_in_another_currency(api):
    mug = make_goods(prices={"EUR": 1000, "VND": 250000})

    cart = cart_of(api, (mug, 1), currency="VND")

    assert cart["totals"]["subtotal"] == {"amount": 250000, "currency": "VND"}


@pytest.mark.parametrize("currency", ["XXZ", "eur", "", 7, None])
def test_open_cart_refuses_unknown_currency(api, currency):
    response = open_cart(api, currency=currency)

    assert response.status_code == 422
    assert response.json()["code"] == "validation_error"
    assert not Cart.objects.exists()


def test_open_cart_refuses_what_is_not_for_sale(api):
    hidden = make_variant()
    Product.objects.filter(pk=hidden.product_id).update(status="draft")

    response = open_cart(api, (hidden, 1))

    assert response.status_code == 422
    assert response.json()["code"] == "variant_unavailable"
    assert response.json()["variant_ids"] == [str(hidden.pk)]
    assert not Cart.objects.exists()


def test_add_item_again_raises_the_quantity_of_its_line(api):
    mug = make_goods()
    cart = cart_of(api, (mug, 1))

    response = add(api, cart, mug, 2)

    assert response.status_code == 200
    assert [line["quantity"] for line in response.json()["items"]] == [3]
    assert response.json()["version"] == 2


def test_add_item_refuses_more_than_the_limit(api, settings):
    settings.CART_MAX_QUANTITY = 5
    mug = make_goods()
    cart = cart_of(api, (mug, 4))

    response = add(api, cart, mug, 2)

    assert response.status_code == 422
    assert response.json()["code"] == "quantity_too_high"
    assert response.json()["limit"] == 5
    assert api.get(f"/api/v1/carts/{cart['id']}").json()["items"][0]["quantity"] == 4


def test_add_item_refuses_more_lines_than_the_limit(api, settings):
    settings.CART_MAX_LINES = 1
    cart = cart_of(api, (make_goods(), 1))

    response = add(api, cart, make_goods())

    assert response.status_code == 422
    assert response.json()["code"] == "too_many_lines"


def test_add_item_refuses_more_than_is_there(api):
    mug = make_goods(on_hand=3)
    cart = cart_of(api, (mug, 2))

    response = add(api, cart, mug, 2)

    assert response.status_code == 409
    problem = response.json()
    assert problem["code"] == "insufficient_stock"
    assert problem["available"] == {str(mug.pk): 3}
    assert problem["errors"][0]["available"] == 3


def test_change_and_remove_item(api):
    mug, cap = make_goods(), make_goods()
    cart = cart_of(api, (mug, 1), (cap, 1))
    url = f"/api/v1/carts/{cart['id']}/items/{cart['items'][0]['id']}"

    changed = api.patch(url, {"quantity": 4}, format="json").json()
    removed = api.delete(url)
    again = api.delete(url)

    assert [line["quantity"] for line in changed["items"]] == [4, 1]
    assert [line["variant"]["sku"] for line in removed.json()["items"]] == [cap.sku]
    assert again.status_code == 404
    assert again.json()["code"] == "cart_item_not_found"


def test_change_cart_completes_it(api):
    option = make_shipping_option(countries=["DE"])
    cart = cart_of(api, (make_goods(prices={"EUR": 1000}), 1))

    response = patch(
        api,
        cart,
        {
            "email": "alice@example.com",
            "shipping_address": ADDRESS,
            "shipping_option_id": str(option.pk),
            "note": "Ring twice.",
        },
    )

    assert response.status_code == 200, response.content
    cart = response.json()
    assert cart["problems"] == []
    assert cart["totals"]["shipping"]["amount"] == 490
    assert cart["totals"]["total"]["amount"] == 1490
    assert cart["shipping_address"] == ADDRESS
    assert cart["billing_address"] is None


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"email": "nobody"}, "#/email"),
        (
            {"shipping_address": ADDRESS | {"country": "Germany"}},
            "#/shipping_address/country",
        ),
        (
            {"shipping_address": ADDRESS | {"country": "ZZ"}},
            "#/shipping_address/country",
        ),
        ({"shipping_address": ADDRESS | {"city": ""}}, "#/shipping_address/city"),
        (
            {"shipping_address": ADDRESS | {"line1": "x" * 201}},
            "#/shipping_address/line1",
        ),
        ({"shipping_address": ADDRESS | {"moon": "x"}}, "#/shipping_address/moon"),
        (
            {"shipping_address": ADDRESS | {"postal_code": "1011"}},
            "#/shipping_address/postal_code",
        ),
        (
            {"shipping_address": ADDRESS | {"postal_code": ""}},
            "#/shipping_address/postal_code",
        ),
        (
            {"billing_address": ADDRESS | {"country": "US"}},
            "#/billing_address/region",
        ),
        (
            {"billing_address": ADDRESS | {"phone": "12"}},
            "#/billing_address/phone",
        ),
        ({"note": "x" * 2001}, "#/note"),
        ({"state": "checked_out"}, "#/state"),
    ],
)
def test_change_cart_refuses_malformed_input(api, changes, pointer):
    cart = cart_of(api)

    response = patch(api, cart, changes)

    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_an_address_is_written_as_its_country_writes_it(api):
    cart = cart_of(api)
    english = ADDRESS | {"country": "GB", "postal_code": "sw1a  1aa", "phone": ""}
    without_code = {
        name: text for name, text in ADDRESS.items() if name != "postal_code"
    }
    changes = {
        "shipping_address": ADDRESS | {"phone": "030 901820", "postal_code": " 10115"},
        "billing_address": english,
    }

    first = patch(api, cart, changes).json()
    second = patch(
        api, cart, {"billing_address": without_code | {"country": "HK"}}
    ).json()

    assert first["shipping_address"] == ADDRESS | {"phone": "+4930901820"}
    assert first["billing_address"] == english | {"postal_code": "SW1A 1AA"}
    assert second["billing_address"] == ADDRESS | {"country": "HK", "postal_code": ""}


def test_change_cart_refuses_shipping_that_is_not_offered(api):
    cart = cart_of(api, (make_goods(), 1))
    patch(api, cart, {"shipping_address": ADDRESS})
    elsewhere = make_shipping_option(countries=["FR"])
    foreign = make_shipping_option(rates={"USD": 500})
    idle = make_shipping_option(is_active=False)

    for option_id in [elsewhere.pk, foreign.pk, idle.pk, uuid4()]:
        response = patch(api, cart, {"shipping_option_id": str(option_id)})

        assert response.status_code == 422
        assert response.json()["code"] == "shipping_option_unavailable"


def test_cart_names_a_country_that_nothing_is_sent_to(api):
    make_shipping_option(countries=["FR"])
    cart = cart_of(api, (make_goods(), 1))

    cart = patch(api, cart, {"shipping_address": ADDRESS}).json()

    assert "shipping_unavailable" in problem_codes(cart)


def test_cart_names_a_shipping_option_that_the_new_address_lost(api):
    make_shipping_option()
    french = make_shipping_option(countries=["FR"])
    cart = cart_of(api, (make_goods(), 1))
    patch(api, cart, {"shipping_option_id": str(french.pk)})

    cart = patch(api, cart, {"shipping_address": ADDRESS}).json()

    assert "shipping_option_unavailable" in problem_codes(cart)
    assert cart["shipping_option"] is None
    assert cart["totals"]["shipping"]["amount"] == 0


def test_shipping_options_are_those_for_the_country_and_currency(api):
    make_shipping_option(code="fr", countries=["FR"])
    make_shipping_option(code="usd", rates={"USD": 1})
    make_shipping_option(code="late", position=2)
    make_shipping_option(code="soon", position=1, countries=["DE", "AT"])
    cart = cart_of(api, (make_goods(), 1))
    patch(api, cart, {"shipping_address": ADDRESS})

    response = api.get(f"/api/v1/carts/{cart['id']}/shipping-options")

    assert [option["code"] for option in response.json()["results"]] == ["soon", "late"]


def test_cart_tells_what_changed_since_the_buyer_looked(api):
    mug, cap, hat = make_goods(), make_goods(on_hand=5), make_goods()
    cart = cart_of(api, (mug, 1), (cap, 3), (hat, 1))
    Price.objects.filter(variant=mug).update(amount=2500)
    Stock.objects.filter(variant=cap).update(on_hand=2)
    Product.objects.filter(pk=hat.product_id).update(status="archived")

    cart = api.get(f"/api/v1/carts/{cart['id']}").json()

    ids = [line["id"] for line in cart["items"]]
    found = [(p["code"], p.get("item_id")) for p in cart["problems"]][:3]
    assert found == [
        ("price_changed", ids[0]),
        ("insufficient_stock", ids[1]),
        ("item_unavailable", ids[2]),
    ]
    assert cart["items"][2]["variant"] is None
    assert cart["items"][2]["total"] is None


def test_change_item_accepts_the_new_price(api):
    mug = make_goods()
    cart = cart_of(api, (mug, 1))
    Price.objects.filter(variant=mug).update(amount=2500)
    url = f"/api/v1/carts/{cart['id']}/items/{cart['items'][0]['id']}"

    cart = api.patch(url, {"quantity": 1}, format="json").json()

    assert "price_changed" not in problem_codes(cart)
    assert "price_changed" not in problem_codes(
        api.get(f"/api/v1/carts/{cart['id']}").json()
    )


def test_if_match_is_honoured_where_it_is_sent(api):
    mug = make_goods()
    cart = cart_of(api, (mug, 1))
    etag = api.get(f"/api/v1/carts/{cart['id']}").headers["ETag"]

    first = add(api, cart, mug, **{"If-Match": etag})
    second = add(api, cart, mug, **{"If-Match": etag})

    assert first.status_code == 200
    assert second.status_code == 412
    assert second.json()["code"] == "stale_version"
    assert second.headers["ETag"].startswith('"2')


def test_unchanged_cart_is_not_sent_again(api):
    cart = cart_of(api, (make_goods(), 1))
    url = f"/api/v1/carts/{cart['id']}"
    etag = api.get(url).headers["ETag"]

    assert api.get(url, headers={"If-None-Match": etag}).status_code == 304


def test_users_cart_is_hidden_from_everybody_else(api, api_as, customer, stranger):
    mug = make_goods()
    cart = cart_of(api_as(customer), (mug, 1))
    url = f"/api/v1/carts/{cart['id']}"

    for client in (api, api_as(stranger)):
        assert client.get(url).json()["code"] == "cart_not_found"
        assert add(client, cart, mug).json()["code"] == "cart_not_found"
        assert patch(client, cart, {"note": "x"}).json()["code"] == "cart_not_found"
    assert api_as(customer).get(url).status_code == 200


def test_unknown_cart_is_not_found(api):
    response = api.get(f"/api/v1/carts/{uuid4()}")

    assert response.status_code == 404
    assert response.json()["code"] == "cart_not_found"


def test_user_has_one_open_cart(api_as, customer):
    mug, cap = make_goods(), make_goods()
    client = api_as(customer)
    cart = cart_of(client, (mug, 1))

    joined = open_cart(client, (mug, 1), (cap, 2))
    own = client.get("/api/v1/me/cart")

    assert joined.status_code == 200
    assert joined.json()["id"] == cart["id"] == own.json()["id"]
    assert [line["quantity"] for line in own.json()["items"]] == [2, 2]
    assert own.json()["email"] == "alice@example.com"


def test_own_cart_needs_a_user_and_a_cart(api, api_as, customer):
    assert api.get("/api/v1/me/cart").status_code == 401
    assert api_as(customer).get("/api/v1/me/cart").json()["code"] == "cart_not_found"


def claim(client, cart):
    return client.post(f"/api/v1/carts/{cart['id']}/claim", {}, format="json")


def test_claim_takes_over_a_guests_cart(api, api_as, customer):
    cart = cart_of(api, (make_goods(), 1))

    response = claim(api_as(customer), cart)

    assert response.status_code == 200
    assert response.json()["id"] == cart["id"]
    assert response.json()["email"] == "alice@example.com"
    assert api.get(f"/api/v1/carts/{cart['id']}").status_code == 404


def test_claim_merges_up_to_the_limit_and_takes_the_newer_address(
    api, api_as, customer, settings
):
    settings.CART_MAX_QUANTITY = 5
    mug, cap = make_goods(), make_goods()
    client = api_as(customer)
    own = cart_of(client, (mug, 4))
    patch(client, own, {"shipping_address": ADDRESS | {"city": "Paris"}})
    guest = cart_of(api, (mug, 3), (cap, 1))
    patch(api, guest, {"shipping_address": ADDRESS})

    merged = claim(client, guest)
    again = claim(client, guest)

    assert merged.json()["id"] == own["id"]
    quantities = {
        line["variant"]["sku"]: line["quantity"] for line in merged.json()["items"]
    }
    assert quantities == {mug.sku: 5, cap.sku: 1}
    assert merged.json()["shipping_address"]["city"] == "Berlin"
    assert again.json() == merged.json()
    assert api.get(f"/api/v1/carts/{guest['id']}").status_code == 404


def test_claim_refuses_more_lines_than_a_cart_may_have(api, api_as, customer, settings):
    client, mug = api_as(customer), make_goods()
    cart_of(client, (mug, 1))
    guest = cart_of(api, (mug, 1), (make_goods(), 1))
    settings.CART_MAX_LINES = 1

    refused = claim(client, guest)
    settings.CART_MAX_LINES = 2

    assert (refused.status_code, refused.json()["code"]) == (422, "too_many_lines")
    assert len(claim(client, guest).json()["items"]) == 2


def test_claim_keeps_the_own_newer_address(api, api_as, customer):
    client = api_as(customer)
    guest = cart_of(api, (make_goods(), 1))
    patch(api, guest, {"shipping_address": ADDRESS})
    own = cart_of(client)
    patch(client, own, {"shipping_address": ADDRESS | {"city": "Paris"}})

    merged = claim(client, guest).json()

    assert merged["shipping_address"]["city"] == "Paris"


def test_claim_is_for_users_and_for_nobody_elses_cart(api, api_as, customer, stranger):
    guest = cart_of(api)
    own = cart_of(api_as(customer))

    assert claim(api, guest).status_code == 401
    assert claim(api_as(stranger), own).json()["code"] == "cart_not_found"


def reserve(client, cart):
    return client.post(f"/api/v1/carts/{cart['id']}/reserve", {}, format="json")


def test_reserve_holds_the_stock_and_is_extended_once(api):
    mug = make_goods(on_hand=3)
    cart = cart_of(api, (mug, 3))

    first = reserve(api, cart)
    second = reserve(api, cart)
    third = reserve(api, cart)

    assert first.status_code == 200
    assert first.json()["items"][0]["available"] == 3
    assert second.json()["reserved_until"] > first.json()["reserved_until"]
    assert third.status_code == 409
    assert third.json()["code"] == "reservation_not_extendable"
    assert Stock.objects.get(variant=mug).reserved == 3
    assert open_cart(api, (mug, 1)).json()["code"] == "insufficient_stock"


def test_reserve_again_after_its_time(api):
    cart = cart_of(api, (make_goods(), 3))
    reserve(api, cart)
    reserve(api, cart)
    past = timezone.now() - timedelta(seconds=1)
    Cart.objects.update(held_until=past)
    Reservation.objects.update(expires_at=past)

    response = reserve(api, cart)

    assert response.status_code == 200
    assert response.json()["reserved_until"] is not None


def test_changed_lines_give_the_hold_up(api):
    mug = make_goods(on_hand=5)
    cart = cart_of(api, (mug, 3))
    reserve(api, cart)

    cart = add(api, cart, mug).json()

    assert cart["reserved_until"] is None
    assert cart["items"][0]["available"] == 5
    assert Stock.objects.get(variant=mug).reserved == 0


def test_reserve_refuses_what_is_not_there(api):
    mug = make_goods(on_hand=3)
    cart = cart_of(api, (mug, 3))
    reserve(api, cart_of(api, (mug, 2)))

    response = reserve(api, cart)

    assert response.status_code == 409
    assert response.json()["available"] == {str(mug.pk): 1}


def queries_of(call):
    with CaptureQueriesContext(connection) as captured:
        response = call()
    assert response.status_code < 300, response.content
    return len(captured)


@pytest.fixture
def carts(api):
    option = make_shipping_option()
    goods = [make_goods() for _ in range(20)]
    made = [
        cart_of(api, (goods[0], 1)),
        cart_of(api, *((variant, 1) for variant in goods)),
    ]
    for cart in made:
        patch(
            api,
            cart,
            {
                "email": "a@example.com",
                "shipping_address": ADDRESS,
                "shipping_option_id": str(option.pk),
            },
        )
    return made


@pytest.mark.parametrize(
    ("call", "most"),
    [
        (lambda api, cart, _: api.get(f"/api/v1/carts/{cart['id']}"), 4),
        (add, 8),
        (lambda api, cart, _: patch(api, cart, {"note": "x"}), 7),
        (lambda api, cart, _: reserve(api, cart), 12),
    ],
)
def test_requests_cost_the_same_queries_with_1_and_20_lines(api, carts, call, most):
    extra = make_goods()

    counts = [queries_of(lambda cart=cart: call(api, cart, extra)) for cart in carts]

    assert counts[0] == counts[1] <= most


def test_remove_item_costs_the_same_queries_with_2_and_20_lines(api, carts):
    small, large = carts
    add(api, small, make_goods())

    counts = [
        queries_of(
            lambda cart=cart: api.delete(
                f"/api/v1/carts/{cart['id']}/items/{cart['items'][0]['id']}"
            )
        )
        for cart in (small, large)
    ]

    assert counts[0] == counts[1] <= 8


def test_open_cart_costs_the_same_queries_with_1_and_20_lines(api):
    goods = [make_goods() for _ in range(20)]

    counts = [
        queries_of(lambda lines=lines: open_cart(api, *((v, 1) for v in lines)))
        for lines in (goods[:1], goods)
    ]

    assert counts[0] == counts[1] <= 6


def test_repeated_open_cart_is_answered_with_the_first_cart(api):
    body = {"items": [{"variant_id": str(make_goods().pk), "quantity": 1}]}
    headers = {"Idempotency-Key": "cart-1"}

    answers = [
        api.post("/api/v1/carts", body, format="json", headers=headers)
        for _ in range(2)
    ]

    assert answers[0].content == answers[1].content
    assert Cart.objects.count() == 1


def test_cart_has_the_members_that_its_schema_declares(api, carts):
    make_goods()
    cart = cart_of(api, (make_goods(), 1))
    whole = api.get(f"/api/v1/carts/{carts[1]['id']}").json()

    optional = {
        "shipping_address.company",
        "shipping_address.line2",
        "shipping_address.region",
        "shipping_address.phone",
        "problems.item_id",
    }
    unfilled = {
        name
        for name in shape_of(CartSerializer())
        if name.startswith(("billing_address.", "items.variant.thumbnail."))
    }
    members = members_of(whole | {"problems": cart["problems"]})
    assert members == shape_of(CartSerializer()) - optional - unfilled
