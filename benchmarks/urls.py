"""The shop's routes, a bare hello, and a bare view that writes an order in four statements."""

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


urlpatterns = [
    path("hello", hello),
    path("bare-order", bare_order),
    *shop_urlpatterns,
]
