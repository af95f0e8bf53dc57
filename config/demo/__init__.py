"""The people of the demo shop, whom ``seed`` creates and ``up`` names."""

PASSWORD = "demo-shop-2026"  # noqa: S105 -- printed at every start; the demo shop holds no secret
ACCOUNTS = {
    "admin@example.com": "admin",
    "catalog@example.com": "catalog_manager",
    "warehouse@example.com": "warehouse",
    "support@example.com": "support",
    "customer@example.com": "customer",
}
