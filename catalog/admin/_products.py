from collections.abc import Iterable, Mapping
from typing import Any, cast
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelect2MultipleWidget

from catalog import services
from catalog.admin._forms import (
    CatalogAdmin,
    LinesField,
    VersionedForm,
    edited,
    is_new,
)
from catalog.admin._variants import PricedVariantForm, save_price, save_variant
from catalog.constants import MAX_OPTIONS
from catalog.models import (
    Attribute,
    AttributeValue,
    Collection,
    Image,
    Price,
    Product,
    ProductAttribute,
    ProductCard,
    ProductOption,
    Variant,
    require_indexable,
)
from core.administration import TabularInline, money_text, state_column

COLUMNS = (
    "title",
    "slug",
    "description_html",
    "vendor",
    "product_type",
    "tags",
    "seo_title",
    "seo_description",
)
RELATIONS = {"categories": "category_ids", "in_collections": "collection_ids"}


class ProductForm(VersionedForm):
    tags = LinesField(required=False, max_length=255, rows=4)
    in_collections = forms.ModelMultipleChoiceField(
        Collection.objects.order_by("position", "title"),
        required=False,
        label="Collections",
        widget=UnfoldAdminSelect2MultipleWidget,
    )
    labels = {
        "description_html": "Description",
        "seo_title": "Title",
        "seo_description": "Description",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "slug" in self.fields:
            self.fields["slug"].required = False
            self.fields["slug"].help_text = "Empty: made of the title."
        if "seo_description" in self.fields:
            self.fields["seo_description"].widget.attrs["rows"] = 3
        if not is_new(self):
            collected = self.instance.collections.values_list("pk", flat=True)
            self.initial["in_collections"] = list(collected)

    def changes(self, names: Iterable[str]) -> dict[str, Any]:
        given = super().changes((*names, *RELATIONS))
        return {RELATIONS.get(name, name): value for name, value in given.items()}


class OptionForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    values = LinesField(max_length=255, rows=4, validators=[require_indexable])


class OptionInline(TabularInline):
    model = ProductOption
    form = OptionForm
    fields = ("name", "values", "position")
    ordering = ("position", "pk")
    max_num = MAX_OPTIONS
    verbose_name = "option"
    verbose_name_plural = "options"
    tab = True


class VariantInline(TabularInline):
    model = Variant
    form = PricedVariantForm
    fields = (
        "sku",
        "option_values",
        "price",
        "compare_at_price",
        "weight_grams",
        "position",
        "in_stock",
        "seen_version",
    )
    readonly_fields = ("in_stock",)
    ordering = ("position", "pk")
    show_change_link = True
    tab = True
    # A product may have thousands; a page of them fits into one request.
    per_page = 25

    def get_queryset(self, request: HttpRequest) -> QuerySet[Variant]:
        variants: QuerySet[Variant] = super().get_queryset(request)
        return variants.prefetch_related("prices")


class ImageInline(TabularInline):
    model = Image
    form = VersionedForm
    columns = ("url", "alt", "position")
    fields = ("preview", *columns, "seen_version")
    readonly_fields = ("preview",)
    ordering = ("position", "pk")
    per_page = 25
    tab = True

    @admin.display(description="")
    def preview(self, image: Image) -> SafeString | str:
        return picture(image.url) if image.url else ""


class StatementInline(TabularInline):
    """What is said about the product, in the words of the dictionary."""

    model = ProductAttribute
    fields = ("attribute", "value", "text", "number", "boolean")
    ordering = ("attribute__position", "pk")
    verbose_name = "attribute"
    verbose_name_plural = "attributes"
    tab = True

    def get_formset(
        self, request: HttpRequest, obj: Product | None = None, **kwargs: Any
    ) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        # Read once for all rows.
        attributes = Attribute.objects.order_by("position", "name")
        values = AttributeValue.objects.select_related("attribute")
        values = values.order_by("attribute__position", "position")
        choices = {
            "attribute": [(one.pk, str(one)) for one in attributes],
            "value": [(one.pk, f"{one.attribute}: {one}") for one in values],
        }
        for name, options in choices.items():
            if name in formset.form.base_fields:
                choice = cast("forms.ChoiceField", formset.form.base_fields[name])
                choice.choices = [("", "-"), *options]
        return formset


def picture(url: str) -> SafeString:
    style = "width:44px;height:44px;object-fit:cover;border-radius:6px"
    return format_html('<img src="{}" alt="" loading="lazy" style="{}">', url, style)


@admin.register(Product)
class ProductAdmin(CatalogAdmin):
    form = ProductForm
    list_display = (
        "image",
        "title",
        "state",
        "vendor",
        "prices",
        "variant_count",
        "updated_at",
    )
    list_display_links = ("image", "title")
    list_filter = ("status", "categories", "collections")
    list_select_related = ("vendor",)
    search_fields = ("title", "slug", "vendor__name", "variants__sku")
    search_help_text = "Title, slug, vendor or SKU"
    ordering = ("-updated_at", "-id")
    autocomplete_fields = ("vendor", "categories")
    actions = ("publish", "archive")
    readonly_fields = ("state", "published_at")
    inlines = (OptionInline, VariantInline, ImageInline, StatementInline)
    fieldsets = (
        (None, {"fields": ("title", ("slug", "state", "published_at"))}),
        ("Text", {"fields": ("description_html",)}),
        (
            "Where it is found",
            {
                "fields": (
                    ("vendor", "product_type"),
                    ("categories", "in_collections"),
                    "tags",
                )
            },
        ),
        (
            "Search engines",
            {"fields": ("seo_title", "seo_description", "seen_version")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        products: QuerySet[Product] = super().get_queryset(request)
        images = Image.objects.filter(product=OuterRef("pk")).order_by("position", "pk")
        cards = ProductCard.objects.filter(product=OuterRef("pk"), is_default=True)
        variants = Variant.objects.filter(product=OuterRef("pk"))
        counted = variants.order_by().values("product").annotate(number=Count("pk"))
        return products.annotate(
            image_url=Subquery(images.values("url")[:1]),
            min_amount=Subquery(cards.values("min_amount")[:1]),
            max_amount=Subquery(cards.values("max_amount")[:1]),
            card_currency=Subquery(cards.values("currency")[:1]),
            variant_number=Subquery(counted.values("number")),
        )

    state = state_column("status")

    @admin.display(description="")
    def image(self, product: Any) -> SafeString | str:
        return picture(product.image_url) if product.image_url else ""

    @admin.display(description="Price", ordering=F("min_amount").asc(nulls_last=True))
    def prices(self, product: Any) -> str:
        if product.min_amount is None:
            return "-"
        lowest = money_text(product.min_amount, product.card_currency)
        if product.max_amount == product.min_amount:
            return lowest
        return f"{lowest} to {money_text(product.max_amount, product.card_currency)}"

    @admin.display(description="Variants", ordering="variant_number")
    def variant_count(self, product: Any) -> int:
        return product.variant_number or 0

    @admin.action(description="Publish", permissions=["change"])
    def publish(self, request: HttpRequest, products: QuerySet[Product]) -> None:
        self.call_service(
            request,
            products,
            lambda product: services.publish_product(
                product.pk, now=timezone.now(), actor_id=request.user.pk
            ),
            done="Published",
        )

    @admin.action(description="Archive", permissions=["change"])
    def archive(self, request: HttpRequest, products: QuerySet[Product]) -> None:
        self.call_service(
            request,
            products,
            lambda product: services.archive_product(
                product.pk, now=timezone.now(), actor_id=request.user.pk
            ),
            done="Archived",
        )

    def save_model(
        self,
        request: HttpRequest,
        obj: Product,
        form: Any,
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        changes, actor_id = form.changes(COLUMNS), request.user.pk
        if not change:
            obj.pk = services.create_product(fields=changes, actor_id=actor_id).pk
        elif changes:
            services.change_product(
                obj.pk, version=form.version, changes=changes, actor_id=actor_id
            )

    def save_formset(
        self,
        request: HttpRequest,
        form: Any,
        formset: Any,
        change: bool,  # noqa: ARG002, FBT001 -- Django's signature
    ) -> None:
        save = {
            ProductOption: save_options,
            Variant: save_variants,
            Image: save_images,
            ProductAttribute: save_statements,
        }[formset.model]
        save(formset, product_id=form.instance.pk, actor_id=request.user.pk)

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        services.delete_product(row.pk, version=row.version, actor_id=request.user.pk)


def change_whole(
    product_id: UUID, changes: Mapping[str, Any], *, actor_id: UUID | None
) -> None:
    """Replace a list of the product's; its own form has looked at the version already."""
    version = Product.objects.values_list("version", flat=True).get(pk=product_id)
    services.change_product(
        product_id, version=version, changes=changes, actor_id=actor_id
    )


def kept(formset: Any) -> list[dict[str, Any]]:
    """Return every row of a list as it is to be, when anything of it was edited."""
    if not list(edited(formset)) and not formset.deleted_objects:
        return []
    return [
        form.cleaned_data
        for form in formset.forms
        if form not in formset.deleted_forms
        and (form.has_changed() or not is_new(form))
    ]


def save_options(formset: Any, *, product_id: UUID, actor_id: UUID | None) -> None:
    rows = kept(formset)
    if rows or formset.deleted_objects:
        rows.sort(key=lambda row: row["position"])
        options = [{"name": row["name"], "values": row["values"]} for row in rows]
        change_whole(product_id, {"options": options}, actor_id=actor_id)


def save_variants(formset: Any, *, product_id: UUID, actor_id: UUID | None) -> None:
    for variant in [form.instance for form in formset.deleted_forms]:
        services.delete_variant(variant.pk, version=variant.version, actor_id=actor_id)
    for form in edited(formset):
        added = save_variant(form, product_id=product_id, actor_id=actor_id)
        if {"price", "compare_at_price"} & set(form.changed_data):
            row: Price | None = form.row
            save_price(
                added.pk if added else form.instance.pk,
                row,
                {
                    name: form.cleaned_data[name]
                    for name in ("price", "compare_at_price")
                },
                currency=settings.SHOP_CURRENCY,
                actor_id=actor_id,
            )


def save_images(formset: Any, *, product_id: UUID, actor_id: UUID | None) -> None:
    for form in edited(formset):
        changes = form.changes(ImageInline.columns)
        if is_new(form):
            services.add_image(product_id, fields=changes, actor_id=actor_id)
        elif changes:
            services.change_image(
                form.instance.pk,
                version=form.version,
                changes=changes,
                actor_id=actor_id,
            )
    for image in formset.deleted_objects:
        services.delete_image(image.pk, version=image.version, actor_id=actor_id)


def save_statements(formset: Any, *, product_id: UUID, actor_id: UUID | None) -> None:
    rows = kept(formset)
    if rows or formset.deleted_objects:
        stated = [
            {"code": row["attribute"].code, "value": stated_value(row)} for row in rows
        ]
        change_whole(product_id, {"attributes": stated}, actor_id=actor_id)


def stated_value(row: Mapping[str, Any]) -> Any:
    """Return the value that the attribute's type asks for; the service checks it."""
    match row["attribute"].type:
        case Attribute.Type.CHOICE:
            return row["value"].code if row["value"] else None
        case Attribute.Type.NUMBER:
            return None if row["number"] is None else float(row["number"])
        case Attribute.Type.BOOLEAN:
            return row["boolean"]
    return row["text"]
