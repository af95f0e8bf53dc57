"""Every answer says the same to browsers, wherever in the stack it was made."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import get_resolver

from accounts.tests.factories import PASSWORD, make_user
from config.settings._cors import exact_origins
from config.tests.schema import operations
from config.tests.test_access_matrix import routes

ROOT = Path(__file__).resolve().parents[2]
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
NOTHING = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SHOP = "https://www.shop.example"


def pages():
    """Fill every route outside the API with something; what it answers doesn't matter."""
    for route in sorted(routes(get_resolver().url_patterns)):
        if not route.startswith("api/v1/"):
            path = re.sub(r"<(?:int|path|str|slug|uuid):[^>]*>|<[^>]*>", "1", route)
            yield pytest.param(re.sub(r"[\^$\\]|\(\?.*?\)", "", path), id=route)


def assert_hardened(response):
    response.close()
    headers = response.headers
    assert {name: headers.get(name) for name in ALWAYS} == ALWAYS
    assert "camera=()" in headers["Permissions-Policy"]
    policy = headers["Content-Security-Policy"]
    if headers.get("Content-Type", "").startswith("text/html"):
        assert policy.startswith("default-src 'none'; base-uri 'none'; ")
        assert "frame-ancestors 'none'" in policy
        script = re.search(r"script-src ([^;]*)", policy)
        assert script is None or "'unsafe-inline'" not in script[1]
        assert "{" not in policy
    else:
        assert policy == NOTHING
    in_admin = response.wsgi_request.path.startswith("/admin/")
    is_page = headers.get("Content-Type", "").startswith("text/html")
    expected = "same-origin" if in_admin and is_page else "no-referrer"
    assert headers["Referrer-Policy"] == expected


@pytest.fixture
def admin(admin_user):
    client = Client(raise_request_exception=False)
    client.force_login(admin_user)
    return client


@pytest.mark.parametrize("operation", operations(), ids=str)
@pytest.mark.django_db
def test_every_operation_answers_with_the_headers(api, operation):
    ask = getattr(api, operation.method.lower())

    assert_hardened(ask(operation.address()))


@pytest.mark.parametrize("path", [*pages()])
def test_every_page_answers_with_the_headers(admin, path):
    assert_hardened(admin.get(f"/{path}"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get("/health/live"),
        lambda client: client.get("/nothing/here"),
        lambda client: client.get("/api/v1/nothing"),
        lambda client: client.get("/api/v1/products", headers={"Host": "evil.example"}),
        lambda client: client.get("/%ff"),
        lambda client: client.get("/api/v1/products", headers={"API-Version": "1999"}),
        lambda client: client.options("/api/v1/products"),
        lambda client: client.put("/api/v1/products"),
        lambda client: client.get("/static/unfold/js/app.js"),
        lambda client: client.get("/admin"),
        lambda client: client.post("/admin/login/", {}),
    ],
)
@pytest.mark.django_db
def test_refusals_and_files_answer_with_the_headers(ask):
    assert_hardened(ask(Client(enforce_csrf_checks=True)))


@pytest.mark.parametrize(
    ("path", "has_nonce"),
    [
        ("/problems", True),
        ("/status", True),
        ("/api/docs", True),
        ("/api/redoc", True),
        ("/", False),
    ],
)
@pytest.mark.django_db
def test_a_page_marks_its_own_with_a_nonce_of_its_own(api, path, has_nonce):
    def nonces():
        response = api.get(path, headers={"Accept": "text/html"})
        policy = response.headers["Content-Security-Policy"]
        return set(re.findall(r"'nonce-([^']{22})'", policy)), response.content.decode()

    (first, body), (second, _) = nonces(), nonces()

    assert len(first) == len(second) == has_nonce
    if has_nonce:
        assert first != second
        assert f'nonce="{first.pop()}"' in body


@pytest.mark.parametrize("path", ["/problems", "/status", "/api/docs"])
@pytest.mark.django_db
def test_a_page_has_nothing_inline_without_the_nonce(api, path):
    body = api.get(path, headers={"Accept": "text/html"}).content.decode()

    assert re.findall(r"<style(?! nonce=)[^>]*>", body) == []
    assert re.findall(r"<script(?! nonce=| src=)[^>]*>", body) == []
    assert re.findall(r"\son[a-z]+=", body) == []


@pytest.mark.django_db
def test_hsts_is_sent_over_tls_alone(api, settings):
    settings.SECURE_HSTS_SECONDS = 60
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True

    for path in ("/health/live", "/api/v1/nothing", "/problems"):
        over_tls = api.get(path, secure=True)
        assert over_tls.headers["Strict-Transport-Security"] == (
            "max-age=60; includeSubDomains; preload"
        )
        assert "Strict-Transport-Security" not in api.get(path).headers


# Other origins.


def preflight(api, origin, path="/api/v1/products"):
    return api.options(
        path,
        headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
    )


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://www.shop.example",
        "https://www.shop.example:8443",
        "https://www.shop.example.evil.example",
        "https://evilwww.shop.example",
        "https://shop.example",
        "HTTPS://WWW.SHOP.EXAMPLE.",
        "",
    ],
)
@pytest.mark.django_db
def test_no_other_origin_is_let_in_or_mirrored(api, settings, origin):
    settings.CORS_ALLOWED_ORIGINS = [SHOP]

    for response in (
        preflight(api, origin),
        api.get("/api/v1/products", headers={"Origin": origin}),
        api.get("/api/v1/auth/me", headers={"Origin": origin}),
    ):
        named = [name for name in response.headers if "access-control" in name.lower()]
        assert named == []
        assert "origin" in response.headers["Vary"].lower()


@pytest.mark.django_db
def test_the_shops_origin_is_let_in_without_cookies(api, settings):
    settings.CORS_ALLOWED_ORIGINS = [SHOP]

    for response in (
        preflight(api, SHOP),
        api.get("/api/v1/products", headers={"Origin": SHOP}),
        # A script must be able to read why it was refused.
        api.get("/api/v1/auth/me", headers={"Origin": SHOP}),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == SHOP
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    "path", ["/admin/login/", "/problems", "/static/unfold/js/app.js"]
)
@pytest.mark.django_db
def test_only_the_api_is_for_other_origins(api, settings, path):
    settings.CORS_ALLOWED_ORIGINS = [SHOP]

    response = api.get(path, headers={"Origin": SHOP, "Accept": "*/*"})
    response.close()

    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.shop.example",
        "shop.example",
        "https://shop.example/",
        "file://",
    ],
)
def test_an_origin_that_is_none_stops_the_start(origin):
    with pytest.raises(ImproperlyConfigured, match="CORS_ALLOWED_ORIGINS must name"):
        exact_origins([SHOP, origin])


def test_exact_origins_are_taken():
    origins = [SHOP, "http://localhost:3000", "http://[::1]:3000"]

    assert exact_origins(origins) == origins


# Cookies, which sign in to the administration alone.


@pytest.mark.django_db
def test_a_form_without_its_token_is_refused(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    response = client.post("/admin/logout/")

    assert response.status_code == 403
    assert response.json()["code"] == "csrf_failed"


@pytest.mark.django_db
def test_cookies_are_kept_from_scripts_and_other_sites():
    client = Client()
    boss = make_user(roles=("admin",))
    credentials = {"username": boss.email, "password": PASSWORD}
    client.get("/admin/login/")

    client.post("/admin/login/", credentials)

    assert set(client.cookies) == {"sessionid", "csrftoken", "shop_device"}
    for cookie in client.cookies.values():
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
        assert (cookie["path"], cookie["domain"]) == ("/", "")


@pytest.mark.django_db
def test_the_api_knows_no_cookie(admin_user):
    client = Client()
    client.force_login(admin_user)

    response = client.get("/api/v1/auth/me")

    assert response.status_code == 401
    assert not response.cookies


PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "x" * 60,
    "FIELD_ENCRYPTION_KEYS": "k1:" + "A" * 43 + "=",
    "DATABASE_URL": "postgresql://shop@db.example.com/shop",
    "REDIS_URL": "redis://cache.example.com/0",
    "ALLOWED_HOSTS": "shop.example.com",
    "SHOP_URL": "https://shop.example.com",
    "DEFAULT_FROM_EMAIL": "shop@example.com",
}
SAY_COOKIES = """
from django.conf import settings as s
for kind in ("SESSION", "CSRF"):
    names = ("NAME", "SECURE", "HTTPONLY", "SAMESITE", "PATH", "DOMAIN")
    print(*(getattr(s, f"{kind}_COOKIE_{name}") for name in names))
print(s.DEVICE_COOKIE_NAME)
"""


def test_production_binds_cookies_to_its_host():
    said = subprocess.run(
        [sys.executable, "-c", SAY_COOKIES],
        env=os.environ | PRODUCTION,
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )

    assert said.stdout.splitlines() == [
        "__Host-sessionid True True Lax / None",
        "__Host-csrftoken True True Lax / None",
        "__Host-device",
    ]
