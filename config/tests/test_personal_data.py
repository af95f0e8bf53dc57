"""Nothing of a person is left when he is erased, and no table is forgotten."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import models
from django.utils import timezone

from accounts import services
from accounts.auth import Device
from accounts.constants import ActivityKind
from accounts.models import User
from accounts.tests.factories import make_tokens, make_user
from config.tests.dumps import dump, opened, remembered
from core import personal_data
from core.encryption import EncryptedField
from core.models import IdempotencyRecord
from core.personal_data import Person, delete
from orders.models import Cart, Order, TimelineEntry
from orders.personal_data import UNDER_WAY_FOR
from orders.selectors import access_token
from orders.tests.factories import make_goods

CANARY = "canary7261"
PHONE = "+493090182077"
NOW = timezone.now()
LATER = NOW + UNDER_WAY_FOR + timedelta(days=1)
ADDRESS = {
    "full_name": f"{CANARY} Bird",
    "line1": f"{CANARY} Street 1",
    "city": f"{CANARY}ville",
    "postal_code": "10115",
    "country": "DE",
    "phone": PHONE,
}
# By their names alone these are about somebody.
PERSONAL = re.compile(
    r"(^|_)(email|phone|address|addresses|full_name|birthday|user_agent|recipient|user_id|actor_id|person_id)($|_id$)"
)
THIRD_PARTY = {"admin", "sessions"}
FOREIGN = {
    "sessions.Session": "The administration's sign-ins: they end with the password, and expire.",
}


def sightings():
    lines = [*dump(), *opened()]
    rows = [line for line in lines if CANARY in line.lower() or PHONE in line]
    words = (CANARY.encode(), PHONE.encode())
    return rows + [
        text for text in remembered() if text and any(word in text for word in words)
    ]


@pytest.fixture
def person(api, api_as, staff):
    """Somebody whose name is wherever one can write it."""
    user = make_user(email=f"{CANARY}@example.com", name=CANARY, email_verified_at=NOW)
    device = Device(name=CANARY, user_agent=CANARY, address="203.0.113.99")
    make_tokens(user, device=device)
    services.record_activity(
        user_id=user.pk,
        kind=ActivityKind.PROFILE_CHANGED,
        device=device,
        now=NOW,
        details={"name": CANARY},
    )
    services.add_address(user_id=user.pk, fields=ADDRESS, device=None, now=NOW)
    client = api_as(user)
    fill_cart(client)
    merge_guests_cart(api, client)
    place_order(user)
    cancel_as_guest(api, place_order(None))
    close_for_a_while(api_as(staff("admin")), user)
    LogEntry.objects.create(
        user=user, content_type_id=None, object_id=str(user.pk), action_flag=2
    )
    return user


def fill_cart(client, key="own", **more):
    variant = make_goods()
    response = client.post(
        "/api/v1/carts",
        {"items": [{"variant_id": str(variant.pk), "quantity": 1}]},
        headers={"Idempotency-Key": f"{key}-cart"},
    )
    assert response.status_code == 201, response.json()
    cart = response.json()["id"]
    response = client.patch(
        f"/api/v1/carts/{cart}",
        {"shipping_address": ADDRESS, "note": CANARY, **more},
        headers={"Idempotency-Key": f"{key}-address"},
    )
    assert response.status_code == 200, response.json()
    return cart


def merge_guests_cart(api, client):
    """Fill a cart before signing in, and take it along: it stays as it was left."""
    cart = fill_cart(api, key="guest")
    merged = client.post(f"/api/v1/carts/{cart}/claim")
    assert merged.status_code == 200, merged.json()
    left = Cart.objects.get(pk=cart)
    assert (left.user, left.email, left.state) == (None, "", "merged")


def cancel_as_guest(api, order):
    canceled = api.post(
        f"/api/v1/orders/{order.number}/cancel",
        {},
        headers={"X-Order-Token": access_token(order.pk), "Idempotency-Key": "cancel"},
    )
    assert canceled.json()["addresses"]["shipping"]["city"] == ADDRESS["city"]


def close_for_a_while(admin, user):
    """Have staff be answered with the person's address for mail."""
    for step in ("deactivate", "reactivate"):
        answer = admin.post(
            f"/api/v1/users/{user.pk}/{step}",
            headers={"Idempotency-Key": f"{step}-{user.pk}"},
        )
        assert answer.json()["email"] == user.email


def place_order(user):
    """Place an order of the user's, or as a guest under the same address."""
    order = Order.objects.create(
        cart_id=uuid4(),
        user=user,
        email=f"{CANARY}@Example.com",
        currency="EUR",
        subtotal_amount=1000,
        total_amount=1000,
        shipping_address=ADDRESS,
        billing_address=ADDRESS,
        shipping_option_code="flat",
        shipping_option_name="Flat",
        note=CANARY,
        placed_at=NOW,
    )
    TimelineEntry.objects.create(order=order, field="note", message=CANARY)
    IdempotencyRecord.objects.create(
        scope=f"cart:{order.cart_id}",
        route="POST checkout",
        key="k",
        fingerprint="f",
        request_id="r",
        body=CANARY.encode(),
        claimed_until=NOW,
        expires_at=LATER + timedelta(days=30),
    )
    return order


def erase(user):
    services.request_erasure(user_id=user.pk, device=None, now=NOW)
    return services.erase_due(now=LATER)


@pytest.mark.django_db(transaction=True)
def test_nothing_of_an_erased_person_is_left(person):
    before = {line.partition(":")[0] for line in sightings() if isinstance(line, str)}
    assert before >= {
        "accounts.Address.city",
        "core.IdempotencyRecord.body",
        "orders.Cart.note",
        "orders.Cart.shipping_address",
        "orders.Order.billing_address",
        "orders.Order.note",
        "orders.Order.shipping_address",
        "public.accounts_user",
        "public.accounts_session",
        "public.accounts_activityentry",
        "public.orders_cart",
        "public.orders_order",
        "public.orders_timelineentry",
    }

    assert erase(person) == 1

    assert sightings() == []


@pytest.mark.parametrize(
    "forgotten",
    [
        "profile",
        "addresses",
        "carts",
        "orders",
        "order_timeline",
        "kept_answers_to_carts",
    ],
)
@pytest.mark.django_db(transaction=True)
def test_a_forgotten_eraser_is_noticed(person, monkeypatch, forgotten):
    left = {h.name: h for h in personal_data.holdings() if h.name != forgotten}
    monkeypatch.setattr(personal_data, "_holdings", left)

    erase(person)

    assert sightings() != []


@pytest.mark.django_db
def test_answers_about_others_are_left_alone(api, api_as, person, stranger):
    fill_cart(api_as(stranger), key="strangers")
    fill_cart(api, key="somebodys", email="somebody@example.com")
    close_for_a_while(api_as(User.objects.get(groups__name="admin")), stranger)
    others = IdempotencyRecord.objects.filter(scope__startswith="cart:").count()

    erase(person)

    kept = IdempotencyRecord.objects
    assert kept.filter(about=f"user:{stranger.pk}").count() == 2
    assert kept.filter(about=f"user:{person.pk}").count() == 0
    assert kept.filter(key__in=["strangers-address", "somebodys-address"]).count() == 2
    assert kept.filter(scope__startswith="cart:").count() == 2 < others


@pytest.mark.django_db
def test_orders_stay_without_the_person(person):
    erase(person)

    for order in Order.objects.all():
        assert (order.total_amount, order.user_id, order.note) == (1000, None, "")
        assert order.email == "erased@invalid"
        assert order.billing_address == {
            **dict.fromkeys(ADDRESS, ""),
            "country": "DE",
        }
    assert Order.objects.count() == 2


@pytest.mark.django_db
def test_who_has_an_order_under_way_waits(person):
    services.request_erasure(user_id=person.pk, device=None, now=NOW)

    assert services.erase_due(now=NOW + timedelta(days=15)) == 0
    Order.objects.update(status="completed")
    assert services.erase_due(now=NOW + timedelta(days=15)) == 1


@pytest.mark.django_db
def test_others_are_left_alone(person, api_as, stranger):
    fill_cart(api_as(stranger))
    # His address is written down, but nobody has proved that it is his.
    stranger.refresh_from_db()
    before = Cart.objects.get(user=stranger).shipping_address

    erase(person)

    assert Cart.objects.get(user=stranger).shipping_address == before
    assert User.objects.get(pk=stranger.pk).email == stranger.email


@pytest.mark.django_db
def test_an_unverified_address_opens_no_guests_orders():
    place_order(None)
    thief = make_user(email=f"{CANARY}@example.com", email_verified_at=None)
    orders = next(h for h in personal_data.holdings() if h.name == "orders")

    who = services._exports.person_of_user(thief.pk)  # noqa: SLF001 -- as the export asks

    assert who == Person(thief.pk, "")
    assert not orders.rows(who).exists()


# No table is forgotten.


def is_about_people(model):
    for field in model._meta.get_fields():  # noqa: SLF001 -- Django's public API
        if isinstance(field, models.ForeignKey) and field.related_model is User:
            return True
        if isinstance(field, EncryptedField):
            return True
        if isinstance(field, models.Field) and PERSONAL.search(field.name):
            return True
    return model is User


def unnamed(candidates):
    named = {holding.model._meta.label for holding in personal_data.holdings()}  # noqa: SLF001 -- Django's public API
    named |= {*personal_data.reasons(), *FOREIGN}
    labels = {model._meta.label for model in candidates if is_about_people(model)}  # noqa: SLF001 -- the same
    return sorted(labels - named)


def test_every_model_about_people_is_shown_and_erased_or_says_why_not():
    assert unnamed(apps.get_models()) == []


def test_a_new_model_about_people_is_noticed(monkeypatch):
    left = {h.name: h for h in personal_data.holdings() if h.model is not Cart}
    monkeypatch.setattr(personal_data, "_holdings", left)

    assert unnamed(apps.get_models()) == ["orders.Cart"]


def test_reasons_are_about_models_that_exist():
    labels = {model._meta.label for model in apps.get_models()}  # noqa: SLF001 -- Django's public API

    assert {*personal_data.reasons()} - labels == set()
    assert all(len(reason) > 20 for reason in personal_data.reasons().values())


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="profile is named twice"):
        personal_data.hold(
            "profile", User, rows=lambda _: User.objects.none(), erase=delete
        )
