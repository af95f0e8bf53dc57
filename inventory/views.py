from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.auth import actor_id_of
from core.exceptions import NotFoundError
from core.parameters import read_parameters
from core.permissions import DenyAll, requires
from core.views import ApiViewSet
from inventory import selectors, services
from inventory.exceptions import (
    StockBelowReservedError,
    StockChangedError,
    StockTooHighError,
    UnknownVariantError,
    UnknownWarehouseError,
    WarehouseCodeTakenError,
)
from inventory.filters import (
    MovementParameters,
    ReservationParameters,
    StockParameters,
)
from inventory.models import Movement, Reservation, Stock, Warehouse
from inventory.serializers import (
    AdjustStockSerializer,
    ConfigureStockSerializer,
    CreateWarehouseSerializer,
    MovementSerializer,
    ReservationSerializer,
    StockSerializer,
    UpdateWarehouseSerializer,
    WarehouseSerializer,
)


class InventoryViewSet(ListModelMixin, ApiViewSet):
    """Says by action what it takes to be let in."""

    permissions: ClassVar[Mapping[str, str]]

    def get_permissions(self) -> list[BasePermission]:
        permission = self.permissions.get(self.action)
        return [requires(permission)() if permission else DenyAll()]


class WarehouseViewSet(InventoryViewSet):
    queryset = Warehouse.objects.all()
    serializer_class = WarehouseSerializer
    ordering = ("priority", "id")
    permissions = {
        "list": "inventory.view_warehouse",
        "create": "inventory.add_warehouse",
        "partial_update": "inventory.change_warehouse",
    }
    problems = {
        "create": (WarehouseCodeTakenError,),
        "partial_update": (NotFoundError,),
    }

    @extend_schema(
        summary="List warehouses", description="In the order in which they are asked."
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(
        summary="Create a warehouse",
        request=CreateWarehouseSerializer,
        responses={201: WarehouseSerializer},
    )
    def create(self, request: Request) -> Response:
        given = CreateWarehouseSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        warehouse = services.create_warehouse(**given.validated_data)
        shown = WarehouseSerializer(warehouse).data
        return Response(shown, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a warehouse",
        request=UpdateWarehouseSerializer,
        responses=WarehouseSerializer,
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        given = UpdateWarehouseSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        warehouse = services.update_warehouse(
            warehouse_id=pk, now=timezone.now(), **given.validated_data
        )
        return Response(WarehouseSerializer(warehouse).data)


class StockViewSet(InventoryViewSet):
    serializer_class = StockSerializer
    ordering = ("id",)
    query_params = frozenset(StockParameters().fields)
    permissions = {
        "list": "inventory.view_stock",
        "partial_update": "inventory.change_stock",
    }
    problems = {"partial_update": (NotFoundError, StockBelowReservedError)}

    def get_queryset(self) -> QuerySet[Stock]:
        filters = read_parameters(self.request, StockParameters)
        return selectors.stock_matching(**filters)

    @extend_schema(summary="List stock", parameters=[StockParameters])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(
        summary="Set the threshold and the backorder limit of a row",
        request=ConfigureStockSerializer,
        responses=StockSerializer,
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        given = ConfigureStockSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        stock = services.configure_stock(
            stock_id=pk, now=timezone.now(), **given.validated_data
        )
        return Response(StockSerializer(stock).data)


class AdjustmentViewSet(InventoryViewSet):
    serializer_class = StockSerializer
    idempotency = "required"
    permissions = {"create": "inventory.change_stock"}
    problems = (
        StockBelowReservedError,
        StockChangedError,
        StockTooHighError,
        UnknownVariantError,
        UnknownWarehouseError,
    )

    @extend_schema(
        summary="Adjust or count stock",
        description=(
            "Either `change` adds or takes units, or `counted` says how many there "
            "are; the ledger gets the difference. The row is made where none was."
        ),
        request=AdjustStockSerializer,
        responses={201: StockSerializer},
        examples=[
            OpenApiExample(
                "Two broke",
                request_only=True,
                value={
                    "sku": "MUG-BLUE",
                    "warehouse": "main",
                    "change": -2,
                    "reason": "Broken in the warehouse",
                },
            ),
            OpenApiExample(
                "Counted, unless something was sold meanwhile",
                request_only=True,
                value={
                    "sku": "MUG-BLUE",
                    "warehouse": "main",
                    "counted": 40,
                    "expected_on_hand": 42,
                    "reason": "Yearly count",
                },
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        given = AdjustStockSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        fields = given.validated_data
        stock = services.adjust_stock(
            warehouse_code=fields.pop("warehouse"),
            actor_id=actor_id_of(request),
            now=timezone.now(),
            **fields,
        )
        return Response(StockSerializer(stock).data, status=status.HTTP_201_CREATED)


class MovementViewSet(InventoryViewSet):
    serializer_class = MovementSerializer
    ordering = ("-id",)
    query_params = frozenset(MovementParameters().fields)
    permissions = {"list": "inventory.view_movement"}

    def get_queryset(self) -> QuerySet[Movement]:
        filters = read_parameters(self.request, MovementParameters)
        return selectors.movements_matching(**filters)

    @extend_schema(
        summary="Read the stock ledger",
        description="Newest first. A line is never changed or deleted.",
        parameters=[MovementParameters],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)


class ReservationViewSet(InventoryViewSet):
    serializer_class = ReservationSerializer
    ordering = ("-id",)
    query_params = frozenset(ReservationParameters().fields)
    permissions = {"list": "inventory.view_reservation"}

    def get_queryset(self) -> QuerySet[Reservation]:
        filters = read_parameters(self.request, ReservationParameters)
        return selectors.reservations_matching(**filters)

    @extend_schema(
        summary="List reservations",
        description="Newest first, ended ones included; see `state`.",
        parameters=[ReservationParameters],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)
