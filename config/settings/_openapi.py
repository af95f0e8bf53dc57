from typing import Any

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Shopwright",
    "DESCRIPTION": "Catalogue, carts, orders and stock of one shop.\n\nMoney is an integer in minor units with its ISO 4217 currency. Instants are RFC 3339 in UTC. Every refusal is a problem document (RFC 9457) whose `type` leads to a page with causes and cure.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["core.permissions.Anyone"],
    "SERVE_AUTHENTICATION": [],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.openapi.complete",
    ],
    # Several models have a "status"; each keeps a name that says whose.
    "ENUM_NAME_OVERRIDES": {
        "ProductStatusEnum": "catalog.models.Product.Status",
        "OrderStatusEnum": "orders.models.Order.Status",
        "PaymentAttemptStatusEnum": "orders.models.Payment.Status",
    },
    # The pages load their scripts from us, so they work without the internet.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": True},
    "REDOC_UI_SETTINGS": {"disableSearch": False},
}

OPENAPI_TAGS = {
    "accounts": "Accounts",
    "catalog": "Catalogue",
    "inventory": "Inventory",
    "orders": "Carts and orders",
    "notifications": "Notifications",
}

# What a member is shown with where an operation brings no example of its own.
OPENAPI_EXAMPLES: dict[str, Any] = {
    "id": "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11",
    "amount": 1999,
    "currency": "EUR",
    "email": "anna@example.com",
    "name": "Anna Smith",
    "full_name": "Anna Smith",
    "line1": "12 Harbour Street",
    "line2": "Second floor",
    "company": "Smith & Sons",
    "city": "Galway",
    "region": "Connacht",
    "postal_code": "H91 E9XY",
    "country": "IE",
    "phone": "+353911234567",
    "title": "Enamel mug",
    "product_title": "Enamel mug",
    "product_slug": "enamel-mug",
    "slug": "enamel-mug",
    "sku": "MUG-RED",
    "vendor": "Harbour Goods",
    "barcode": "4006381333931",
    "number": "SW-100001",
    "provider": "simulated",
    "method": "sim_ok",
    "warehouse": "main",
    "code": "main",
    "reason": "Counted by hand",
    "note": "Please ring the bell",
    "quantity": 2,
    "on_hand": 25,
    "reserved": 2,
    "available": 23,
    "access": "eyJhbGciOiJIUzI1NiIs…",
    "refresh": "eyJhbGciOiJIUzI1NiIs…",
    "next": "https://shop.example.com/api/v1/…?cursor=kX3…",
}
