"""The shop's routes, a bare hello, a bare order in four statements, and what can wait."""

from uuid import uuid4

from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.urls import urlpatterns as shop_urlpatterns

TABLES = """
CREATE TABLE IF NOT EXISTS benchmark_order
    (id uuid PRIMARY KEY, cart_id uuid UNIQUE, email text, total bigint, placed_at timestamptz);
CREATE TABLE IF NOT EXISTS benchmark_line
    (id uuid PRIMARY KEY, order_id uuid REFERENCES benchmark_order, sku text, quantity int, amount bigint);
CREATE TABLE IF NOT EXISTS benchmark_stock (sku text PRIMARY KEY, on_hand bigint);
CREATE TABLE IF NOT EXISTS benchmark_payment
    (id uuid PRIMARY KEY, order_id uuid REFERENCES benchmark_order, amount bigint, status text);
INSERT INTO benchmark_stock SELECT 'SKU' || n, 1000000000 FROM generate_series(0, 9999) n
    ON CONFLICT DO NOTHING;
"""


def hello(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"hello": "world"})


@csrf_exempt
def bare_order(request: HttpRequest) -> JsonResponse:
    order_id = uuid4()
    sku = f"SKU{order_id.int % 10_000}"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE benchmark_stock SET on_hand = on_hand - 1 WHERE sku = %s AND on_hand >= 1",
            [sku],
        )
        cursor.execute(
            "INSERT INTO benchmark_order VALUES (%s, %s, 'a@example.com', 1999, now())",
            [order_id, uuid4()],
        )
        cursor.execute(
            "INSERT INTO benchmark_line VALUES (%s, %s, %s, 1, 1999)",
            [uuid4(), order_id, sku],
        )
        cursor.execute(
            "INSERT INTO benchmark_payment VALUES (%s, %s, 1999, 'paid')",
            [uuid4(), order_id],
        )
    return JsonResponse({"id": order_id}, status=201)


def feed(request: HttpRequest) -> JsonResponse:
    """Answer what can wait: fifty rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sku, on_hand FROM benchmark_stock ORDER BY sku LIMIT 50")
        rows = cursor.fetchall()
    return JsonResponse({"results": rows})


def report(request: HttpRequest) -> JsonResponse:
    """Answer what is least important and costs most: ten thousand rows, summed up often."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT left(sku, 6), count(*), sum(on_hand)"
            " FROM benchmark_stock, generate_series(1, 8) GROUP BY 1"
        )
        rows = [[sku, count, str(units)] for sku, count, units in cursor.fetchall()]
    return JsonResponse({"results": sorted(rows)})


urlpatterns = [
    path("api/bench/feed", feed),
    path("api/bench/report", report),
    path("hello", hello),
    path("bare-order", bare_order),
    *shop_urlpatterns,
]
