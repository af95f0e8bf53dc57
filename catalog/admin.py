from django.contrib import admin

from catalog.models import Price, Variant
from core.administration import ModelAdmin, TabularInline


class PriceInline(TabularInline):
    model = Price


@admin.register(Variant)
class VariantAdmin(ModelAdmin):
    search_fields = ("sku", "product__title")
    inlines = (PriceInline,)
