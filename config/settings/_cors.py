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
