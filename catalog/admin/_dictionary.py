from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from catalog import services
from catalog.admin._forms import CatalogAdmin, VersionedForm, edited, is_new
from catalog.models import Attribute, AttributeValue, Category, Collection, Vendor
from core.administration import AnyAdmin, TabularInline


class EntryAdmin(CatalogAdmin):
    """Vendors, collections and attributes: what products refer to."""

    form = VersionedForm
    columns: ClassVar[tuple[str, ...]] = ()

    def get_fields(self, *_: Any) -> Any:
        return (*self.columns, "seen_version")

    def get_form(self, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(*args, **kwargs)
        if "slug" in form.base_fields:
            form.base_fields["slug"].required = False
            form.base_fields["slug"].help_text = "Empty: made of the name."
        return form

    def save_model(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        changes = form.changes(self.columns)
        if not change:
            obj.pk = self.create(request, changes).pk
        elif changes:
            self.change(request, obj.pk, version=form.version, changes=changes)

    def create(self, request: HttpRequest, fields: dict[str, Any]) -> Any:
        return services.create_entry(
            self.model, fields=fields, actor_id=request.user.pk
        )

    def change(
        self, request: HttpRequest, pk: Any, *, version: int, changes: dict[str, Any]
    ) -> None:
        services.change_entry(
            self.model, pk, version=version, changes=changes, actor_id=request.user.pk
        )

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        services.delete_entry(
            self.model, row.pk, version=row.version, actor_id=request.user.pk
        )


class ProductCountMixin(AnyAdmin):
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        counted: QuerySet[Any] = rows.annotate(product_count=Count("products"))
        return counted

    @admin.display(description="Products", ordering="product_count")
    def products(self, row: Any) -> int:
        return int(row.product_count)


@admin.register(Vendor)
class VendorAdmin(ProductCountMixin, EntryAdmin):
    columns = ("name", "slug")
    list_display = ("name", "slug", "products")
    search_fields = ("name", "slug")
    ordering = ("name", "pk")


@admin.register(Collection)
class CollectionAdmin(ProductCountMixin, EntryAdmin):
    columns = ("title", "slug", "description_html", "position")
    list_display = ("title", "slug", "position", "products")
    search_fields = ("title", "slug")
    ordering = ("position", "title")


@admin.register(Category)
class CategoryAdmin(ProductCountMixin, EntryAdmin):
    columns = ("name", "parent", "slug", "description", "position")
    list_display = ("name", "parent", "slug", "position", "products")
    list_select_related = ("parent",)
    search_fields = ("name", "slug")
    ordering = ("parent__position", "parent__name", "position", "name")
    autocomplete_fields = ("parent",)

    def create(self, request: HttpRequest, fields: dict[str, Any]) -> Any:
        return services.create_category(fields=fields, actor_id=request.user.pk)

    def change(
        self, request: HttpRequest, pk: Any, *, version: int, changes: dict[str, Any]
    ) -> None:
        services.change_category(
            pk, version=version, changes=changes, actor_id=request.user.pk
        )

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        services.delete_category(row.pk, version=row.version, actor_id=request.user.pk)


class AttributeValueInline(TabularInline):
    model = AttributeValue
    form = VersionedForm
    columns = ("code", "label", "position")
    fields = (*columns, "seen_version")
    ordering = ("position", "code")
    per_page = 50


@admin.register(Attribute)
class AttributeAdmin(EntryAdmin):
    columns = ("name", "code", "type", "unit", "is_filterable", "position")
    list_display = ("name", "code", "type", "unit", "is_filterable", "value_count")
    list_filter = ("type", "is_filterable")
    search_fields = ("name", "code")
    ordering = ("position", "name")
    inlines = (AttributeValueInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attribute]:
        attributes: QuerySet[Attribute] = super().get_queryset(request)
        return attributes.annotate(value_number=Count("values"))

    @admin.display(description="Values", ordering="value_number")
    def value_count(self, attribute: Any) -> int:
        return int(attribute.value_number)

    def save_formset(
        self,
        request: HttpRequest,
        form: Any,
        formset: Any,
        change: bool,  # noqa: ARG002, FBT001 -- Django's signature
    ) -> None:
        for row in edited(formset):
            changes = row.changes(AttributeValueInline.columns)
            if is_new(row):
                services.create_entry(
                    AttributeValue,
                    fields=changes | {"attribute_id": form.instance.pk},
                    actor_id=request.user.pk,
                )
            elif changes:
                services.change_entry(
                    AttributeValue,
                    row.instance.pk,
                    version=row.version,
                    changes=changes,
                    actor_id=request.user.pk,
                )
        for value in formset.deleted_objects:
            services.delete_entry(
                AttributeValue,
                value.pk,
                version=value.version,
                actor_id=request.user.pk,
            )
