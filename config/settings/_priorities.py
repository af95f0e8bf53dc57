"""How important each route is under overload; a test holds every route to having its line.

0 webhooks · 10 what pays · 20 staff · 30 sign-in and carts · 50 catalogue · 70 what can
wait · 90 exports. The second number spreads a class's callers up to the next class, so
that a part of it can be shed. Carts that exist aren't spread: who has begun may finish.
"""

from core.protection.priorities import Priority

OPERATION = Priority(0)
PAYING = Priority(10)
STAFF = Priority(20, width=10)
BEGUN = Priority(30)
BEGINNING = Priority(30, width=20)
BROWSING = Priority(50, width=20)
LATER = Priority(70, width=20)
BULK = Priority(90, width=10)

# For addresses that lead nowhere, and whatever has no line.
OTHERWISE = LATER

ROUTES: dict[str, Priority] = {
    "/": LATER,
    "/metrics": OPERATION,
    "/health/*": OPERATION,
    "/admin/*": STAFF,
    "/api/schema": LATER,
    "/api/docs": LATER,
    "/api/redoc": LATER,
    "/dev/*": LATER,
    "/media/*": LATER,
    "/problems/*": LATER,
    "/status": LATER,
    # Accounts.
    "/api/v1/api-keys/*": STAFF,
    "/api/v1/auth/*": BEGINNING,
    "/api/v1/me/*": BEGINNING,
    "/api/v1/me/exports/*": BULK,
    "/api/v1/roles/*": STAFF,
    "/api/v1/users/*": STAFF,
    # Catalogue: reading is everybody's, writing is staff's.
    "/api/v1/attributes/*": STAFF,
    "GET /api/v1/attributes/*": BROWSING,
    "/api/v1/categories/*": STAFF,
    "GET /api/v1/categories/*": BROWSING,
    "/api/v1/collections/*": STAFF,
    "GET /api/v1/collections/*": BROWSING,
    "/api/v1/images/*": STAFF,
    "GET /api/v1/images/*": BROWSING,
    "/api/v1/imports/*": STAFF,
    "POST /api/v1/imports": BULK,
    "/api/v1/products/*": STAFF,
    "GET /api/v1/products/*": BROWSING,
    "GET /api/v1/search/*": BROWSING,
    "/api/v1/variants/*": STAFF,
    "GET /api/v1/variants/*": BROWSING,
    "/api/v1/vendors/*": STAFF,
    "GET /api/v1/vendors/*": BROWSING,
    # Stock.
    "/api/v1/stock/*": STAFF,
    "/api/v1/warehouses/*": STAFF,
    # Carts and orders.
    "POST /api/v1/carts": BEGINNING,
    "/api/v1/carts/{id}/*": BEGUN,
    "POST /api/v1/carts/{id}/checkout": PAYING,
    "/api/v1/orders/*": BEGUN,
}
