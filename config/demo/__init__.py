"""The people and the machine of the demo shop, which ``seed`` creates and ``up`` names."""

from accounts.auth import KeyToken, signed_key_token

PASSWORD = "demo-shop-in-2026"  # noqa: S105 -- printed at every start; the demo shop holds no secret
ACCOUNTS = {
    "admin@example.com": "admin",
    "catalog@example.com": "catalog_manager",
    "warehouse@example.com": "warehouse",
    "support@example.com": "support",
    "customer@example.com": "customer",
}
KEY_NAME = "Demo: orders and stock"
KEY_SCOPES = (
    "catalog.view_product",
    "inventory.view_movement",
    "inventory.view_reservation",
    "inventory.view_stock",
    "inventory.view_warehouse",
    "orders.view_order",
)
_KEY_PREFIX = "demodemodemo"


def api_key() -> KeyToken:
    """Make the demo's API key out. Everybody knows it; only local shops take test keys."""
    return signed_key_token("test", _KEY_PREFIX, _KEY_PREFIX.ljust(43, "0"))
