from django.urls import path
from django.urls.resolvers import URLPattern, URLResolver

from inventory.views import (
    AdjustmentViewSet,
    MovementViewSet,
    ReservationViewSet,
    StockViewSet,
    WarehouseViewSet,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("warehouses", WarehouseViewSet.as_view({"get": "list", "post": "create"})),
    path("warehouses/<uuid:pk>", WarehouseViewSet.as_view({"patch": "partial_update"})),
    path("stock", StockViewSet.as_view({"get": "list"})),
    path("stock/adjustments", AdjustmentViewSet.as_view({"post": "create"})),
    path("stock/movements", MovementViewSet.as_view({"get": "list"})),
    path("stock/reservations", ReservationViewSet.as_view({"get": "list"})),
    path("stock/<uuid:pk>", StockViewSet.as_view({"patch": "partial_update"})),
]
