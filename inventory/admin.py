from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from core.administration import ActorMixin, ModelAdmin, ReadOnlyAdmin, state_column
from inventory import services
from inventory.constants import MAX_UNITS
from inventory.models import Movement, Reservation, Stock, Warehouse


@admin.register(Warehouse)
class WarehouseAdmin(ModelAdmin):
    list_display = ("name", "code", "priority", "is_active")
    search_fields = ("name", "code")
    ordering = ("priority", "code")
    fields = ("name", "code", "priority", "is_active")

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 -- Django's signature
        obj: Warehouse | None = None,
    ) -> tuple[str, ...]:
        # Imports and other systems know it by its code.
        return ("code",) if obj else ()

    def has_delete_permission(self, *_: Any) -> bool:
        return False

    def save_model(
        self,
        request: HttpRequest,  # noqa: ARG002 -- Django's signature
        obj: Warehouse,
        form: Any,
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        given = form.cleaned_data
        if not change:
            obj.pk = services.create_warehouse(**given).pk
        elif form.changed_data:
            changes = {name: given[name] for name in form.changed_data}
            services.update_warehouse(
                warehouse_id=obj.pk, now=timezone.now(), **changes
            )


class StockForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """The settings of a row, and a correction of its units with the reason for it."""

    change = forms.IntegerField(
        required=False,
        min_value=-MAX_UNITS,
        max_value=MAX_UNITS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Units to add, or with a minus to take away.",
    )
    counted = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_UNITS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Or the number of units that were counted.",
    )
    reason = forms.CharField(
        required=False, max_length=255, widget=UnfoldAdminTextInputWidget
    )
    # Somebody may sell or count while this page is open.
    seen_on_hand = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Stock
        fields = ("low_stock_threshold", "backorder_limit")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_new:
            self.initial.setdefault("seen_on_hand", self.instance.on_hand)

    @property
    def is_new(self) -> bool:
        return bool(self.instance._state.adding)  # noqa: SLF001 -- Django documents it

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        change, counted = given.get("change"), given.get("counted")
        if change is not None and counted is not None:
            self.add_error("counted", "Give either a change or a count.")
        if self.is_new and counted is None:
            self.add_error("counted", "Say how many there are.")
        if (change is not None or counted is not None) and not given.get("reason"):
            self.add_error("reason", "Say why the number of units changes.")
        return given


class LowStockFilter(admin.SimpleListFilter):
    title = "level"
    parameter_name = "low"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return [("yes", "Low")]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 -- Django's signature
        queryset: QuerySet[Any],
    ) -> QuerySet[Any]:
        return queryset.filter(pk__in=Stock.objects.low()) if self.value() else queryset


@admin.register(Stock)
class StockAdmin(ModelAdmin):
    form = StockForm
    list_display = (
        "sku",
        "product",
        "warehouse",
        "on_hand",
        "reserved",
        "available",
        "has_enough",
    )
    list_filter = ("warehouse", LowStockFilter)
    list_select_related = ("variant__product", "warehouse")
    search_fields = ("variant__sku", "variant__product__title")
    search_help_text = "SKU or product"
    ordering = ("-updated_at", "-id")
    autocomplete_fields = ("variant",)

    @admin.display(description="SKU", ordering="variant__sku")
    def sku(self, stock: Stock) -> str:
        return str(stock.variant)

    @admin.display(description="Product", ordering="variant__product__title")
    def product(self, stock: Stock) -> str:
        return stock.variant.product.title

    @admin.display(description="Available")
    def available(self, stock: Stock) -> int:
        return stock.available

    @admin.display(description="Enough", boolean=True)
    def has_enough(self, stock: Stock) -> bool:
        return stock.available > stock.low_stock_threshold

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 -- Django's signature
        obj: Stock | None = None,
    ) -> tuple[str, ...]:
        return ("sku", "product", "warehouse", "on_hand", "reserved") if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Stock | None = None) -> Any:  # noqa: ARG002 -- Django's signature
        if obj is None:
            return ((None, {"fields": ("variant", "warehouse", "counted", "reason")}),)
        return (
            (None, {"fields": (("sku", "product"), "warehouse")}),
            ("Units", {"fields": (("on_hand", "reserved"),)}),
            (
                "Adjust the units",
                {"fields": (("change", "counted"), "reason", "seen_on_hand")},
            ),
            ("Settings", {"fields": (("low_stock_threshold", "backorder_limit"),)}),
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return super().get_changeform_initial_data(request) | {"counted": 0}

    def has_delete_permission(self, *_: Any) -> bool:
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: Stock,
        form: Any,
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        given, now = form.cleaned_data, timezone.now()
        if given.get("change") is not None or given.get("counted") is not None:
            stock = services.adjust_stock(
                variant_id=obj.variant_id,
                warehouse_code=obj.warehouse.code,
                change=given.get("change"),
                counted=given.get("counted"),
                reason=given["reason"],
                actor_id=request.user.pk,
                expected_on_hand=given.get("seen_on_hand"),
                now=now,
            )
            obj.pk = stock.pk
        settings = {"low_stock_threshold", "backorder_limit"} & set(form.changed_data)
        if change and settings:
            services.configure_stock(
                stock_id=obj.pk, now=now, **{name: given[name] for name in settings}
            )


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "sku",
        "warehouse",
        "quantity",
        "stage",
        "expires_at",
        "reference",
    )
    list_filter = ("state", "stock__warehouse")
    list_select_related = ("stock__variant", "stock__warehouse")
    search_fields = ("=reference", "=stock__variant__sku")
    search_help_text = "SKU, or the id of what it is held for"
    ordering = ("-id",)
    stage = state_column("state")

    @admin.display(description="SKU")
    def sku(self, reservation: Reservation) -> str:
        return str(reservation.stock.variant)

    @admin.display(description="Warehouse")
    def warehouse(self, reservation: Reservation) -> str:
        return reservation.stock.warehouse.name


@admin.register(Movement)
class MovementAdmin(ActorMixin, ReadOnlyAdmin):
    list_display = (
        "created_at",
        "kind",
        "sku",
        "warehouse",
        "on_hand_change",
        "reserved_change",
        "on_hand_after",
        "reason",
        "actor",
    )
    list_filter = ("kind", "stock__warehouse")
    list_select_related = ("stock__variant", "stock__warehouse")
    search_fields = ("=reference", "=stock__variant__sku", "=actor_id")
    search_help_text = "SKU, or the id of an order or a person"
    ordering = ("-id",)

    @admin.display(description="SKU")
    def sku(self, movement: Movement) -> str:
        return str(movement.stock.variant)

    @admin.display(description="Warehouse")
    def warehouse(self, movement: Movement) -> str:
        return movement.stock.warehouse.name
