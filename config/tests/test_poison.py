"""Whatever a client sends: no 5xx, and each refusal a problem that the document names.

Every operation is asked about rows that are there, with the entity tag that they have,
and is first shown to work: what is poisoned is a request that would have been accepted.
"""

import json
import re
from copy import deepcopy
from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.utils import timezone

from accounts.auth import make_export_token, make_undo_token
from accounts.models import Export, User
from accounts.services import add_address, create_api_key
from accounts.tests import factors
from accounts.tests.factories import (
    PASSWORD,
    make_export,
    make_link,
    make_tokens,
    make_user,
)
from accounts.tests.issuers import CALLBACK, described, fake_issuer
from catalog.models import ImportJob
from catalog.tests.factories import (
    make_attribute,
    make_category,
    make_collection,
    make_product,
    make_variant,
    make_vendor,
)
from catalog.tests.importing import as_csv, mug
from config.tests.account_bodies import ACCOUNT_BODIES
from config.tests.schema import PROBLEM, document, operations
from core.errors import problem_types
from core.examples import example_of
from inventory.tests.factories import make_stock, make_warehouse
from orders.payments.provider import Outcome, OutcomeStatus
from orders.tests.factories import ADDRESS, make_goods, make_shipping_option
from orders.tests.simulating import SilentProvider

JSON = "application/json"
# Answered before or beside the operation, so not part of what it promises.
BESIDE = {"method_not_allowed", "not_found"}

ALONE = 8
BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"1",
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b'{"a": 1e400}',
    b'{"a": 1, "a": 2}',
    b'{"a": ' + b"9" * 5000 + b"}",
    b"[" * 10_000 + b"]" * 10_000,
    b'{"a":' * 2000 + b"1" + b"}" * 2000,
    rb'{"a": "\u0000"}',
    rb'{"\ud800": "\udfff"}',
    b'{"a": "\xff\xfe"}',
    b"\xef\xbb\xbf{}",
    b"\x00",
]
# Put in the place of all members of a valid body at once; the first few also in the
# place of each by itself, however deep, so that one member's refusal hides no other's.
VALUES = [
    None,
    -(2**63),
    2**63 - 1,
    "x" * 70_000,
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{GRINNING FACE}\u0301",
    [{}] * 200,
    {"\N{SNOWMAN}": {"a": [None]}},
    "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11",
    True,
    0,
    10**15 + 1,
    1e308,
    0.1,
    "",
    " ",
    "'; DROP TABLE x; --",
    "9" * 400,
    "NaN",
    "1e999",
    "2026-02-30T99:99:99Z",
    "0001-01-01T00:00:00+23:59",
    [],
    {},
    [[[]]],
    ["x"] * 200,
]
TEXTS = [
    "%E2%98%83",
    "9" * 400,
    "NaN",
    "-9223372036854775809",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "1e400",
    "x" * 3000,
    "..%2F..%2Fetc",
    "%27%3B--",
    "a%0d%0ab",
    "[]",
    "%25ff",
]
HEADERS = [
    {"Host": "evil.example"},
    {"Host": "a b"},
    {"Host": "[::1"},
    {"Accept": "text/html"},
    {"Accept": ";;;=,/"},
    {"Accept": "application/json;version=" + "9" * 400},
    {"API-Version": "\N{LATIN SMALL LETTER E WITH ACUTE}"},
    {"Authorization": "Bearer \N{LATIN SMALL LETTER E WITH ACUTE}"},
    {"Authorization": "Bearer a.b.c"},
    {"Authorization": "Bearer"},
    {"Authorization": "Basic eDp5"},
    {"If-Match": '"' + "9" * 400 + '"'},
    {"If-Match": "\N{LATIN SMALL LETTER E WITH ACUTE}"},
    {"If-None-Match": '"\x7f'},
    {"Idempotency-Key": "\N{LATIN SMALL LETTER E WITH ACUTE}"},
    {"Idempotency-Key": "x" * 256},
    {"X-Request-ID": "a\tb" * 99},
    {"X-Order-Token": "\N{LATIN SMALL LETTER E WITH ACUTE}"},
    {"Accept-Language": "\N{LATIN SMALL LETTER E WITH ACUTE};q=x"},
    {"Content-Length": "x"},
    {"Cookie": "sessionid=\N{LATIN SMALL LETTER E WITH ACUTE}"},
]
TYPES = [
    "multipart/form-data",
    "multipart/form-data; boundary=\N{LATIN SMALL LETTER E WITH ACUTE}",
    "application/json; charset=nonsense",
    "application/json; charset=utf-16",
]
# What no operation reads, so that it must not be guessed at either.
FOREIGN_TYPES = [
    "text/plain",
    "application/xml",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "application/merge-patch+json",
    "multipart/mixed; boundary=x",
    "*/*",
    "application/*",
    "*/json; q=1",
    "*",
    "application/json, text/plain",
    "application/json\N{NO-BREAK SPACE}",
    "x" * 5000,
    ";",
    "",
]
STAFFS_PASSWORD = "admin's password"  # noqa: S105 -- of the fixture
WITH_BODY = {"POST", "PUT", "PATCH"}
each_operation = pytest.mark.parametrize("operation", operations(), ids=str)


class Paying(SilentProvider):
    def authorize(self, charge):
        return Outcome(OutcomeStatus.CAPTURED, reference="sim_1")


def credentials(path):
    """Return what only the person or the reader of a mail has."""
    match path.removeprefix("/api/v1/auth/"):
        case "verify-email":
            return {"token": make_link(make_user(), "verify_email")}
        case "confirm-email":
            link = make_link(make_user(), "change_email", email="new@example.com")
            return {"token": link}
        case "reset-password":
            return {"token": make_link(make_user(), "reset_password")}
        case "change-password":
            return {"current_password": STAFFS_PASSWORD, "new_password": PASSWORD}
        case "change-email":
            return {"current_password": STAFFS_PASSWORD}
    return {}


class Shop:
    """One real row for whatever an address or a body names, made when it is asked for."""

    def __init__(self, client, api, issuer):
        self.client = client
        self.api = api
        self.issuer = issuer

    def place(self, path):
        """Return the values of a path's parameters."""
        kind = path.removeprefix("/api/v1/").split("/")[0].replace("-", "_")
        return getattr(self, f"_{kind}")(path) if "{" in path else {}

    def me(self):
        return User.objects.get(pk=self.client.get("/api/v1/auth/me").json()["id"])

    def _auth(self, path):
        if "/oauth/" in path:
            return {"provider": "fake"}
        if "/passkeys/" in path:
            return {"id": factors.make_passkey(self.me())[0].pk}
        return {"id": make_tokens(self.me()).session_id}

    def _me(self, path):
        if "/identities/" in path:
            return {"id": factors.make_identity(self.me()).pk}
        if "/addresses/" in path:
            address = add_address(
                user_id=self.me().pk, fields=ADDRESS, device=None, now=timezone.now()
            )
            return {"id": address.pk}
        return {"id": make_export(self.me()).pk}

    def _api_keys(self, path):
        scopes = ["orders.view_order"]
        made = create_api_key(
            name="ERP", scopes=scopes, actor=self.me(), now=timezone.now()
        )
        return {"id": made.key.pk}

    def _users(self, path):
        person = make_user(is_active=not path.endswith("/reactivate"))
        factors.make_passkey(person)
        return {"id": person.pk}

    def _roles(self, path):
        return {"name": "moderator"}

    def _attributes(self, path):
        attribute = make_attribute("fabric", values=["Silk"])
        return {"key": attribute.code, "value": "silk"}

    def _categories(self, path):
        return {"key": make_category("Bowls").slug}

    def _collections(self, path):
        return {"key": make_collection("Winter").slug}

    def _vendors(self, path):
        return {"key": make_vendor("Umbrella").slug}

    def _products(self, path):
        product = make_product(
            variants=[{"options": {"Size": "M"}}],
            images=["/media/1.png"],
            status="active" if path.endswith("archive") else "draft",
        )
        return {"key": product.slug}

    def _images(self, path):
        product = make_product(images=["/media/1.png"])
        return {"id": product.images.get().pk}

    def _variants(self, path):
        prices = {"USD": 100} if path.endswith("/prices") else {"EUR": 100, "USD": 100}
        variant = make_variant(prices=prices)
        return {"id": variant.pk, "currency": "EUR"}

    def _imports(self, path):
        file = SimpleUploadedFile("a.csv", as_csv(mug()).encode())
        response = self.client.post(
            "/api/v1/imports", {"file": file}, format="multipart"
        )
        return {"id": response.json()["id"]}

    def _carts(self, path):
        owner = self.api if path.endswith("claim") else self.client
        cart = self.cart(owner)
        return {"cart_id": cart["id"], "item_id": cart["items"][0]["id"]}

    def _orders(self, path):
        cart = self.cart(self.client)
        order = self.client.post(
            f"/api/v1/carts/{cart['id']}/checkout",
            {"payment": {"provider": "simulated", "method": "sim_ok"}},
            format="json",
            headers={"Idempotency-Key": "order"},
        )
        return {"number": order.json()["number"]}

    def _stock(self, path):
        return {"id": make_stock(on_hand=5).pk}

    def _warehouses(self, path):
        return {"id": make_warehouse("north").pk}

    def cart(self, client):
        items = [{"variant_id": str(make_goods().pk), "quantity": 2}]
        cart = client.post("/api/v1/carts", {"items": items}, format="json").json()
        changes = {
            "email": "anna@example.com",
            "shipping_address": ADDRESS,
            "shipping_option_id": str(make_shipping_option().pk),
        }
        address = f"/api/v1/carts/{cart['id']}"
        response = client.patch(address, changes, format="json")
        assert response.json()["problems"] == []
        return response.json()

    def body(self, operation):
        """Return a body that is accepted, with real rows where the example names some."""
        body = deepcopy(operation.body_example())
        body |= credentials(operation.path)
        name = str(operation).replace("/api/v1", "")
        if name in ACCOUNT_BODIES:
            return ACCOUNT_BODIES[name](self)
        match name:
            case "POST /auth/undo-erasure":
                leaver = make_user(erase_after=timezone.now() + timedelta(days=1))
                return {"token": make_undo_token(leaver.pk, leaver.erase_after)}
            case "POST /auth/refresh":
                person = {"email": make_user().email, "password": PASSWORD}
                tokens = self.api.post("/api/v1/auth/login", person, format="json")
                return {"refresh": tokens.json()["refresh"]}
            case "POST /carts":
                body["items"][0]["variant_id"] = str(make_goods().pk)
            case "POST /carts/{cart_id}/items":
                body["variant_id"] = str(make_goods().pk)
            case "PATCH /carts/{cart_id}":
                body["shipping_option_id"] = str(make_shipping_option().pk)
            case "POST /carts/{cart_id}/checkout":
                del body["expected_total"]
            case "POST /stock/adjustments":
                make_stock(make_variant(sku=body["sku"]), on_hand=5)
            case "POST /products/{key}/variants":
                body["options"] = {"Size": "XL"}
        return body


@pytest.fixture(scope="module")
def running_issuer():
    with fake_issuer() as running:
        yield running


@pytest.fixture
def issuer(running_issuer, settings):
    settings.OAUTH_PROVIDERS = [described("fake", running_issuer.url)]
    settings.OAUTH_REDIRECT_URIS = [CALLBACK]
    return running_issuer


@pytest.fixture
def outside(monkeypatch, tmp_path):
    """Where files and payments go."""
    for model in (ImportJob, Export):
        field = model._meta.get_field("file")  # noqa: SLF001 -- Django documents _meta
        monkeypatch.setattr(field, "storage", FileSystemStorage(tmp_path))
    for module in ("views", "services._placing", "services._paying"):
        monkeypatch.setattr(
            f"orders.{module}.offered_providers", lambda: {"simulated": Paying()}
        )


@pytest.fixture
def shop(api, api_as, staff, issuer, outside):
    """The rows, and somebody who may do everything."""
    client = api_as(staff("admin"))
    # The last one may not leave.
    make_user(roles=["admin"])
    client.raise_request_exception = False
    return Shop(client, api, issuer)


@pytest.fixture
def send(shop, operation):
    return Sender(shop, operation)


class Sender:
    """Send an operation's requests, each to the rows as they were, and check what comes back."""

    def __init__(self, shop, operation):
        self.client = shop.client
        self.operation = operation
        self.place = shop.place(operation.path)
        if operation.path.endswith("/me/cart"):
            shop.cart(shop.client)
        self.path = self.path_with(self.place)
        self.valid = shop.body(operation)
        self.given = {}
        if operation.path.endswith("/search"):
            self.path += "?q=mug"
        if operation.path.endswith("/file"):
            self.path += f"?token={make_export_token(self.place['id'])}"
        if "stale_version" in operation.codes:
            self.given["If-Match"] = self.tag()

    def path_with(self, place):
        path = self.operation.path
        for name, value in place.items():
            path = path.replace("{" + name + "}", str(value))
        assert "{" not in path, "give its rows a method of Shop"
        return path

    def tag(self):
        """Read the tag from the nearest address that is read."""
        path = self.path
        while (response := self.client.get(path)).status_code != 200:
            path = path.rpartition("/")[0]
        return response.headers["ETag"]

    def __call__(
        self, body=b"", *, path="", content_type=JSON, headers=None, is_kept=False
    ):
        given = dict(self.given)
        if "idempotency_key_required" in self.operation.codes:
            given["Idempotency-Key"] = str(uuid4())
        with transaction.atomic():
            response = self.client.generic(
                self.operation.method,
                path or self.path,
                body if self.operation.method != "GET" else b"",
                content_type=content_type,
                headers=given | (headers or {}),
            )
            poison = (path[:200], body[:200], content_type, headers)
            check(self.operation, response, poison)
            if is_kept and response.status_code < 300:
                self.read_back(response, poison)
            transaction.set_rollback(True)
        return response

    def read_back(self, response, poison):
        """See that what was accepted can be kept and shown."""
        connection.check_constraints()
        address = response.headers.get("Location", self.path)
        read = self.client.get(address)
        assert read.status_code in {200, 404, 405}, (poison, read.content[:500])

    def json(self, content):
        response = self(json.dumps(content).encode(), is_kept=True)
        if response.status_code == 400:
            # The database's own refusal, where the form should have named the member.
            problem = response.json()
            assert problem["code"] != "malformed_request", (str(content)[:300], problem)
        return response


def check(operation, response, poison):
    assert response.status_code < 500, (poison, response.content[:500])
    assert response.headers["X-Request-ID"], poison
    if response.status_code < 400:
        assert str(response.status_code) in operation.responses, poison
        return
    assert response.headers["Content-Type"] == PROBLEM, poison
    problem = response.json()
    assert problem["status"] == response.status_code, poison
    assert problem["code"] in problem_types(), poison
    assert problem["code"] in operation.codes | BESIDE, (poison, problem["code"])


def poisoned(example):
    """Put values in the place of each member in turn, fewer of them the deeper it is."""
    yield from _poisoned(example, VALUES[:ALONE])


def _poisoned(example, values):
    members = example.items() if isinstance(example, dict) else enumerate(example)
    for place, member in members:
        inner = (
            _poisoned(member, values[: ALONE // 2])
            if isinstance(member, dict | list)
            else ()
        )
        for value in (*values, *inner):
            changed = example.copy()
            changed[place] = value
            yield changed


def whole_body(operation):
    """Make up a body with every member that the document names."""
    media = operation.content.get("requestBody", {}).get("content", {}).get(JSON)
    return media and example_of(media["schema"], document()["components"]["schemas"])


@each_operation
def test_an_operation_survives_whatever_is_sent(operation, send):
    names = [p["name"] for p in operation.content["parameters"] if p["in"] == "query"]
    body = json.dumps(send.valid).encode()
    if files := takes_files(operation):
        body, files = file_body("a.csv", as_csv(mug()).encode())
    response = send(body, content_type=files or JSON)
    assert response.status_code < 300, (
        "the unpoisoned request is refused",
        response.content,
    )

    poison_headers(send)
    poison_addresses(send, names)
    if takes_body(operation):
        poison_bodies(send)


def poison_headers(send):
    for headers in HEADERS:
        send(b"{}", headers=headers)
    if takes_body(send.operation):
        poison_types(send)


def poison_types(send):
    for content_type in TYPES:
        send(b"{}", content_type=content_type)
    for content_type in FOREIGN_TYPES:
        response = send(b"{}", content_type=content_type)
        assert response.status_code == 415, (content_type, response.content[:500])


def poison_addresses(send, names):
    for text in TEXTS:
        for name in set(send.place) & set(re.findall(r"{(\w+)}", send.operation.path)):
            send(b"{}", path=send.path_with(send.place | {name: text}))
        together = "&".join(f"{name}={text}" for name in names)
        send(b"{}", path=f"{send.path}?{together}")
    for name in names:
        for text in TEXTS[:7]:
            send(b"{}", path=f"{send.path}?{quote(name, safe='%')}={text}")
    for name in ("unheard_of", "%00", "%ff", "x" * 300):
        send(b"{}", path=f"{send.path}?{name}=1")
    send(b"{}", path=send.path + "?" + "&".join(f"a{n}=1" for n in range(2000)))


def poison_bodies(send):
    for body in BODIES:
        send(body)
    whole = whole_body(send.operation)
    if not whole:
        return
    seen = set()
    for changed in poisoned(whole):
        # Only the poisoned member and what is valid: the rest would be refused first.
        for name, member in changed.items():
            if member != whole[name]:
                seen.add(send.json(send.valid | {name: member}).status_code)
    send.json(send.valid | {"\N{SNOWMAN}": 1})
    for value in VALUES:
        send.json(dict.fromkeys(whole, value))
    assert 422 in seen, "no poison reached the form"


def takes_body(operation):
    return operation.method in WITH_BODY or "requestBody" in operation.content


def takes_files(operation):
    content = operation.content.get("requestBody", {}).get("content", {})
    return "multipart/form-data" in content


def file_body(name, raw):
    file = SimpleUploadedFile("a.csv", raw)
    file.name = name
    return encode_multipart(BOUNDARY, {"file": file}), MULTIPART_CONTENT


@pytest.mark.parametrize(
    "operation", [o for o in operations() if takes_files(o)], ids=str
)
def test_an_operation_survives_any_file(operation, send):
    for raw in [*BODIES, b"a,b\r\n" * 5000, b"Handle,Title\n\xff,\x00\n"]:
        for name in ("a.csv", "\N{SNOWMAN}.csv", "../../etc/passwd", "a" * 300):
            body, content_type = file_body(name, raw)
            send(body, content_type=content_type)
    nameless = body.replace(b'filename="', b'filename="";x="')
    send(nameless, content_type=MULTIPART_CONTENT)
    send(b"--" + BOUNDARY.encode(), content_type=MULTIPART_CONTENT)


@pytest.mark.parametrize(
    "operation", [o for o in operations() if o.method in {"POST", "PATCH"}], ids=str
)
def test_an_operation_refuses_an_oversized_body(operation, send, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2048

    assert send(b'{"a": "' + b"x" * 4096 + b'"}').status_code >= 400


def test_the_walk_has_routes():
    assert len(document()["paths"]) > 20
