import re

from django.core.exceptions import ImproperlyConfigured

_ORIGIN = re.compile(
    r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?"
)

# What a shop front in a browser may send and read, beyond the few that always pass.
REQUEST_HEADERS = (
    "accept",
    "api-version",
    "authorization",
    "content-type",
    "device-id",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "request-timeout",
    "x-order-token",
    "x-request-id",
)
RESPONSE_HEADERS = (
    "API-Version",
    "Age",
    "Device-ID",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "Original-Request-Id",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
)


def exact_origins(origins: list[str]) -> list[str]:
    """Return them if each is one origin: no wildcard, no path, and never ``null``.

    :raises ImproperlyConfigured: naming the one that isn't.
    """
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ImproperlyConfigured(
                f"CORS_ALLOWED_ORIGINS must name origins such as https://www.example.com, not {origin!r}."
            )
    return origins
