"""A small shop with somebody's things in it, and everybody who may knock on its doors."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone
from rest_framework.test import APIClient

from accounts.constants import is_grantable
from accounts.models import Export, Identity, Passkey, Session, User
from accounts.selectors import permission_names
from accounts.services import add_address, change_preferences, create_api_key
from accounts.tests.factories import PASSWORD, make_tokens, make_user
from accounts.tests.factors import make_passkey
from catalog.imports import Report
from catalog.models import Image, ImportJob
from catalog.tests.factories import (
    make_attribute,
    make_category,
    make_collection,
    make_product,
    make_vendor,
)
from inventory.tests.factories import make_stock
from orders.models import Order
from orders.tests.factories import ADDRESS

# What the handlers of open routes ask a key for.
INNER_SCOPES = {
    "GET /api/v1/orders/{number}": "orders.view_order",
    "GET /api/v1/orders/{number}/timeline": "orders.view_order",
    "POST /api/v1/orders/{number}/cancel": "orders.change_order",
}
STAFF = ("support", "catalog_manager", "warehouse", "moderator", "admin")
CALLERS = ("anonymous", "stranger", "owner", *STAFF, "key", "key_without")


@dataclass
class World:
    """Who calls, and where on each template of a path a real object is."""

    people: dict[str, APIClient]
    boss: User
    places: dict[str, str]
    # Bodies that name real things; for all others the document's example will do.
    bodies: dict[str, object] = field(default_factory=dict)
    every_scope: frozenset[str] = field(
        default_factory=lambda: frozenset(filter(is_grantable, permission_names()))
    )
    _keys: dict[frozenset[str], APIClient] = field(default_factory=dict)

    def client(self, caller: str, scopes: frozenset[str]) -> APIClient:
        """Return a caller; keys have the scopes of the route (else all), or all but those."""
        if caller == "key":
            return self._key(scopes or self.every_scope)
        if caller == "key_without":
            return self._key(self.every_scope - scopes)
        return self.people[caller]

    def _key(self, scopes: frozenset[str]) -> APIClient:
        if scopes not in self._keys:
            issued = create_api_key(
                name="Machine", scopes=scopes, actor=self.boss, now=timezone.now()
            )
            self._keys[scopes] = bearing(issued.secret)
        return self._keys[scopes]

    def address_of(self, path: str) -> str:
        """Put real objects into a path: those of the longest template that fits."""
        if "{" not in path:
            return path
        known = [t for t in self.places if path == t or path.startswith(f"{t}/")]
        if not known:
            raise LookupError(f"World has no object for {path}: add it to its places.")
        template = max(known, key=len)
        rest = path.removeprefix(template)
        if "{" in rest:
            raise LookupError(f"World has no object for {path}: add it to its places.")
        return self.places[template] + rest


def bearing(token: str) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def build_world() -> World:
    owner = make_user(email="owner@example.com")
    people = {
        "anonymous": APIClient(raise_request_exception=False),
        "stranger": signed_in(make_user(email="stranger@example.com")),
        "owner": signed_in(owner),
    }
    for role in STAFF:
        user = make_user(email=f"{role}@shop.example.com", roles=(role,))
        people[role] = signed_in(user)
    boss = make_user(email="boss@shop.example.com", is_superuser=True)
    places, bodies = _goods(boss)
    places |= _things_of(owner, people["owner"], places["/api/v1/variants/{id}"])
    return World(people, boss, {**places}, bodies)


def signed_in(user: User) -> APIClient:
    return bearing(make_tokens(user).access)


def _goods(boss: User) -> tuple[dict[str, str], dict[str, object]]:
    attribute = make_attribute("finish", values=["Matt"])
    category, collection, vendor = make_category(), make_collection(), make_vendor()
    product = make_product(
        variants=[{"sku": "MUG", "in_stock": True}], vendor=vendor, images=["/mug.png"]
    )
    variant = product.variants.get()
    stock = make_stock(variant, on_hand=10)
    image = Image.objects.get(product=product)
    job = ImportJob.objects.create(
        file="none.csv",
        file_name="none.csv",
        currency="EUR",
        actor_id=boss.pk,
        report=Report().as_json(),
    )
    key = create_api_key(
        name="ERP", scopes=["orders.view_order"], actor=boss, now=timezone.now()
    ).key
    other = make_user(email="someone@example.com")
    make_passkey(other)
    closed = make_user(email="closed@example.com", is_active=False)
    places = {
        "/attributes/{key}": f"/attributes/{attribute.code}",
        "/attributes/{key}/values/{value}": f"/attributes/{attribute.code}/values/matt",
        "/categories/{key}": f"/categories/{category.slug}",
        "/collections/{key}": f"/collections/{collection.slug}",
        "/vendors/{key}": f"/vendors/{vendor.slug}",
        "/products/{key}": f"/products/{product.slug}",
        "/variants/{id}": f"/variants/{variant.pk}",
        "/variants/{id}/prices/{currency}": f"/variants/{variant.pk}/prices/EUR",
        "/images/{id}": f"/images/{image.pk}",
        "/imports/{id}": f"/imports/{job.pk}",
        "/stock/{id}": f"/stock/{stock.pk}",
        "/warehouses/{id}": f"/warehouses/{stock.warehouse_id}",
        "/api-keys/{id}": f"/api-keys/{key.pk}",
        "/users/{id}": f"/users/{other.pk}",
        "/users/{id}/reactivate": f"/users/{closed.pk}/reactivate",
        "/roles/{name}": "/roles/moderator",
    }
    bodies = {
        "DELETE /api/v1/auth/me": {"password": PASSWORD},
        "POST /api/v1/carts": {"items": [{"variant_id": variant.pk, "quantity": 1}]},
        "POST /api/v1/carts/{cart_id}/items": {"variant_id": variant.pk},
        "POST /api/v1/stock/adjustments": {
            "variant_id": variant.pk,
            "warehouse": stock.warehouse.code,
            "change": 1,
            "reason": "Found",
        },
        "PATCH /api/v1/api-keys/{id}": {"name": "New ERP"},
        "PATCH /api/v1/carts/{cart_id}": {"note": "Ring twice"},
        "POST /api/v1/carts/{cart_id}/checkout": {
            "payment": {"provider": "simulated", "method": "sim_ok"}
        },
        "PUT /api/v1/users/{id}/roles": {"roles": ["customer"]},
        "PUT /api/v1/roles/{name}": {"permissions": ["catalog.view_product"]},
    }
    return {f"/api/v1{t}": f"/api/v1{p}" for t, p in places.items()}, bodies


def _things_of(owner: User, client: APIClient, variant_path: str) -> dict[str, str]:
    variant_id = variant_path.rpartition("/")[2]
    items = [{"variant_id": variant_id, "quantity": 1}]
    cart = client.post("/api/v1/carts", {"items": items}).json()
    change_preferences(
        user_id=owner.pk,
        version=0,
        changes={"marketing": True},
        device=None,
        now=timezone.now(),
    )
    address = add_address(
        user_id=owner.pk, fields=ADDRESS, device=None, now=timezone.now()
    )
    order = Order.objects.create(
        number="SW-900001",
        cart_id=uuid4(),
        user=owner,
        email=owner.email,
        currency="EUR",
        subtotal_amount=1999,
        total_amount=1999,
        shipping_amount=0,
        shipping_address=ADDRESS,
        billing_address=ADDRESS,
        placed_at=timezone.now(),
    )
    passkey = Passkey.objects.create(
        user=owner,
        name="Key ring",
        credential_id=b"1",
        public_key=b"1",
        created_at=timezone.now() - timedelta(days=1),
    )
    identity = Identity.objects.create(
        user=owner,
        provider="google",
        issuer="https://accounts.google.com",
        subject="1",
        created_at=timezone.now(),
    )
    export = Export.objects.create(user=owner, parts_total=1, created_at=timezone.now())
    session = Session.objects.get(pk=make_tokens(owner).session_id)
    places = {
        "/carts/{cart_id}": f"/carts/{cart['id']}",
        "/carts/{cart_id}/items/{item_id}": f"/carts/{cart['id']}/items/{cart['items'][0]['id']}",
        "/auth/oauth/{provider}": "/auth/oauth/google",
        "/me/exports/{id}": f"/me/exports/{export.pk}",
        "/me/identities/{id}": f"/me/identities/{identity.pk}",
        "/me/addresses/{id}": f"/me/addresses/{address.pk}",
        "/orders/{number}": f"/orders/{order.number}",
        "/auth/passkeys/{id}": f"/auth/passkeys/{passkey.pk}",
        "/auth/sessions/{id}": f"/auth/sessions/{session.pk}",
    }
    return {f"/api/v1{t}": f"/api/v1{p}" for t, p in places.items()}
