"""The look of the administration: unfold's site, its colours and its menu."""

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy


def _may_view(permission: str, request: HttpRequest) -> bool:
    return request.user.has_perm(permission)


def _entry(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": partial(_may_view, f"{app}.view_{model}"),
    }


NAVIGATION = [
    {
        "items": [
            {
                "title": "Dashboard",
                "icon": "space_dashboard",
                "link": reverse_lazy("admin:index"),
            }
        ]
    },
    {
        "title": "Sales",
        "separator": True,
        "items": [
            _entry("Orders", "receipt_long", "orders", "order"),
            _entry("Payments", "payments", "orders", "payment"),
            _entry("Carts", "shopping_cart", "orders", "cart"),
            _entry("Shipping options", "local_shipping", "orders", "shippingoption"),
        ],
    },
    {
        "title": "Catalogue",
        "separator": True,
        "items": [
            _entry("Products", "sell", "catalog", "product"),
            _entry("Variants", "style", "catalog", "variant"),
            _entry("Categories", "account_tree", "catalog", "category"),
            _entry("Collections", "collections_bookmark", "catalog", "collection"),
            _entry("Vendors", "factory", "catalog", "vendor"),
            _entry("Attributes", "tune", "catalog", "attribute"),
            _entry("Imports", "upload_file", "catalog", "importjob"),
        ],
    },
    {
        "title": "Stock",
        "separator": True,
        "items": [
            _entry("Stock", "inventory_2", "inventory", "stock"),
            _entry("Warehouses", "warehouse", "inventory", "warehouse"),
            _entry("Reservations", "lock_clock", "inventory", "reservation"),
            _entry("Movements", "swap_vert", "inventory", "movement"),
        ],
    },
    {
        "title": "People",
        "separator": True,
        "items": [
            _entry("People", "group", "accounts", "user"),
            _entry("Roles", "badge", "auth", "group"),
            _entry("API keys", "vpn_key", "accounts", "apikey"),
            _entry("Activity", "manage_history", "accounts", "activityentry"),
        ],
    },
    {
        "title": "Messages",
        "separator": True,
        "collapsible": True,
        "items": [
            _entry("Notifications", "notifications", "notifications", "notification"),
            _entry("Deliveries", "outgoing_mail", "notifications", "delivery"),
        ],
    },
    {
        "title": "Protection",
        "separator": True,
        "collapsible": True,
        "items": [
            {
                "title": "Traffic",
                "icon": "monitoring",
                "link": reverse_lazy("admin:core_traffic"),
                "permission": partial(_may_view, "core.view_switch"),
            },
            _entry("Switches", "toggle_on", "core", "switch"),
            _entry("Breaker controls", "electrical_services", "core", "breakercontrol"),
            _entry("Rate limits", "speed", "core", "ratelimitpolicy"),
            _entry("Route weights", "weight", "core", "routeweight"),
            _entry("Blocked addresses", "block", "core", "addressblock"),
        ],
    },
    {
        "title": "Machinery",
        "separator": True,
        "collapsible": True,
        "items": [
            _entry("Events", "bolt", "core", "outboxevent"),
            _entry("Event deliveries", "outbox", "core", "outboxdelivery"),
            _entry("Audit log", "history", "core", "auditentry"),
            _entry("Idempotency keys", "key", "core", "idempotencyrecord"),
        ],
    },
]

# A green whose 600 carries white text at 5.5 to 1.
GREENS = {
    "50": "oklch(98.4% .014 180.72)",
    "100": "oklch(95.3% .051 180.801)",
    "200": "oklch(91% .096 180.426)",
    "300": "oklch(85.5% .138 181.071)",
    "400": "oklch(70.4% .14 182.503)",
    "500": "oklch(60% .118 184.704)",
    "600": "oklch(51.1% .096 186.391)",
    "700": "oklch(43.7% .078 188.216)",
    "800": "oklch(38.6% .063 188.416)",
    "900": "oklch(33% .054 190)",
    "950": "oklch(27.7% .046 192.524)",
}


def unfold_settings(*, shop_name: str) -> dict[str, Any]:
    return {
        "SITE_TITLE": shop_name,
        "SITE_HEADER": shop_name,
        "SITE_SUBHEADER": "Administration",
        "SITE_URL": "/api/docs",
        "SITE_SYMBOL": "storefront",
        "SHOW_BACK_BUTTON": True,
        "BORDER_RADIUS": "8px",
        "COLORS": {"primary": GREENS},
        "DASHBOARD_CALLBACK": "config.dashboard.add_figures",
        "SIDEBAR": {"show_search": True, "navigation": NAVIGATION},
    }
