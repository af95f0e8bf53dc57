"""What browsers are told with every answer: run nothing, frame nothing, tell nobody."""

import secrets

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_NONCE_BYTES = 16
_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    (
        "Permissions-Policy",
        "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
    ),
)
# A document that isn't a page needs nothing, whoever opens it.
_NOTHING = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_security_headers(response: HttpResponseBase, request: HttpRequest) -> None:
    """Set them all; what a view or a library has set of these does not count."""
    headers = response.headers
    for name, value in _ALWAYS:
        headers[name] = value
    if headers.get("Content-Type", "").startswith("text/html"):
        page = _page_at(request.path_info)
        headers["Content-Security-Policy"] = _policy(page, request)
        headers["Referrer-Policy"] = page.get("referrer", "no-referrer")
    else:
        headers["Content-Security-Policy"] = _NOTHING
        headers["Referrer-Policy"] = "no-referrer"
    if settings.SECURE_HSTS_SECONDS and request.is_secure():
        headers["Strict-Transport-Security"] = _hsts()


def csp_nonce(request: HttpRequest) -> dict[str, str]:
    """Give templates ``csp_nonce``, which lets a script or style of theirs pass."""
    # A page rendered by DRF brings DRF's request, whose inner one the answer is judged by.
    inner = getattr(request, "_request", request)
    nonce = inner.META.setdefault(
        "shopwright.csp_nonce", secrets.token_urlsafe(_NONCE_BYTES)
    )
    return {"csp_nonce": nonce}


def _page_at(path: str) -> dict[str, str]:
    policies: dict[str, dict[str, str]] = settings.PAGE_POLICIES
    # The longest prefix counts; "/" is every page's.
    prefix = max((p for p in policies if path.startswith(p)), key=len)
    return policies[prefix]


def _policy(page: dict[str, str], request: HttpRequest) -> str:
    nonce = request.META.get("shopwright.csp_nonce")
    own = f"'nonce-{nonce}'" if nonce else ""
    return page["policy"].replace(" {nonce}", f" {own}" if own else "")


def _hsts() -> str:
    value = f"max-age={settings.SECURE_HSTS_SECONDS}"
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        value += "; includeSubDomains"
    if settings.SECURE_HSTS_PRELOAD:
        value += "; preload"
    return value
