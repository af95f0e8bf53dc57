from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, GistIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.exceptions import ValidationError
from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import MD5, Coalesce
from django.utils import timezone

from catalog.constants import MAX_OPTION_VALUE_BYTES
from core.ids import uuid7

# Where a product without a price stands when a list is ordered by price: at the end.
UNPRICED_LAST = Value(2**63 - 1, models.BigIntegerField())
UNPRICED_FIRST = Value(-1, models.BigIntegerField())


def require_indexable(value: str) -> None:
    """Refuse an option's value that is too long for the index over a variant's values."""
    if len(value.encode()) > MAX_OPTION_VALUE_BYTES:
        raise ValidationError(
            f"Give no more than {MAX_OPTION_VALUE_BYTES} bytes.", code="max_bytes"
        )


class CatalogModel(models.Model):
    """What every row that staff edit has: an id, a version for If-Match, stamps."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True


class Vendor(CatalogModel):
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=200, unique=True)

    def __str__(self) -> str:
        return self.name


class Category(CatalogModel):
    """A node of the tree. A product of a child is found under its ancestors too."""

    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=200, unique=True)
    description = models.TextField(blank=True, default="")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "categories"
        constraints = [
            models.CheckConstraint(
                name="catalog_category_not_own_parent",
                condition=Q(parent=None) | ~Q(parent=models.F("id")),
            )
        ]

    def __str__(self) -> str:
        return self.name


class Collection(CatalogModel):
    title = models.CharField(max_length=200)
    slug = models.SlugField(max_length=200, unique=True)
    description_html = models.TextField(blank=True, default="")
    position = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.title


class Attribute(CatalogModel):
    """An entry of the dictionary: what can be said about a product, and in which type."""

    class Type(models.TextChoices):
        TEXT = "text"
        NUMBER = "number"
        BOOLEAN = "boolean"
        CHOICE = "choice"

    code = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=16, choices=Type, default=Type.CHOICE)
    unit = models.CharField(max_length=16, blank=True, default="")
    is_filterable = models.BooleanField(default=True)
    position = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class AttributeValue(CatalogModel):
    """One of the values that a choice attribute allows."""

    attribute = models.ForeignKey(
        Attribute, on_delete=models.CASCADE, related_name="values"
    )
    code = models.SlugField(max_length=64)
    label = models.CharField(max_length=200)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="catalog_attributevalue_unique_code", fields=["attribute", "code"]
            )
        ]

    def __str__(self) -> str:
        return self.label


class Product(CatalogModel):
    class Status(models.TextChoices):
        DRAFT = "draft"
        ACTIVE = "active"
        ARCHIVED = "archived"

    slug = models.CharField(max_length=255, unique=True)
    title = models.CharField(max_length=255)
    description_html = models.TextField(blank=True, default="")
    vendor = models.ForeignKey(
        Vendor, on_delete=models.PROTECT, null=True, blank=True, related_name="products"
    )
    product_type = models.CharField(max_length=200, blank=True, default="")
    status = models.CharField(max_length=16, choices=Status, default=Status.DRAFT)
    tags = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    seo_title = models.CharField(max_length=255, blank=True, default="")
    seo_description = models.TextField(blank=True, default="")
    published_at = models.DateTimeField(null=True, blank=True)
    # Raised by services.record_sales; kept here, where archiving doesn't lose it.
    sold_quantity = models.BigIntegerField(default=0, db_default=0, editable=False)
    categories = models.ManyToManyField(Category, blank=True, related_name="products")
    collections = models.ManyToManyField(
        Collection, through="CollectionProduct", blank=True, related_name="products"
    )

    class Meta:
        indexes = [
            models.Index(name="catalog_product_newest", fields=["-created_at", "-id"])
        ]

    def __str__(self) -> str:
        return self.title


class CollectionProduct(models.Model):
    """A product's place in a collection."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="catalog_collectionproduct_once", fields=["collection", "product"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.collection_id} {self.product_id}"


class ProductOption(models.Model):
    """What a buyer chooses, such as Color, with its values in their order."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="options"
    )
    name = models.CharField(max_length=100)
    position = models.PositiveSmallIntegerField(default=0)
    values = ArrayField(models.CharField(max_length=255), default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="catalog_productoption_unique_name", fields=["product", "name"]
            )
        ]

    def __str__(self) -> str:
        return self.name


class Image(CatalogModel):
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="images"
    )
    url = models.CharField(max_length=2048)
    alt = models.CharField(max_length=512, blank=True, default="")
    position = models.PositiveIntegerField(default=0)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "product",
                # An index entry holds no 2048 characters of every script.
                MD5("url"),
                name="catalog_image_unique_url",
            )
        ]

    def __str__(self) -> str:
        return self.url


class Variant(CatalogModel):
    """What is sold: one choice of every option of its product."""

    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="variants"
    )
    sku = models.CharField(max_length=255, blank=True, default="")
    # What a foreign catalogue called it, where that SKU was taken already.
    external_sku = models.CharField(max_length=255, blank=True, default="")
    barcode = models.CharField(max_length=255, blank=True, default="")
    # One value for each option of the product, in the options' order.
    option_values = ArrayField(
        models.CharField(max_length=255), default=list, blank=True
    )
    position = models.PositiveIntegerField(default=0)
    weight_grams = models.PositiveIntegerField(null=True, blank=True)
    image = models.ForeignKey(
        Image, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # Kept by inventory, which knows; see services.set_availability.
    in_stock = models.BooleanField(default=False, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="catalog_variant_unique_sku",
                fields=["sku"],
                condition=~Q(sku=""),
            ),
            models.UniqueConstraint(
                name="catalog_variant_unique_options",
                fields=["product", "option_values"],
            ),
        ]

    def __str__(self) -> str:
        return self.sku or self.title

    @property
    def title(self) -> str:
        return " / ".join(self.option_values) or "Default"


class Price(CatalogModel):
    variant = models.ForeignKey(
        Variant, on_delete=models.CASCADE, related_name="prices"
    )
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField(help_text="Minor units of the currency.")
    compare_at_amount = models.BigIntegerField(
        null=True, blank=True, help_text="Minor units; the price before the reduction."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="catalog_price_one_per_currency", fields=["variant", "currency"]
            ),
            models.CheckConstraint(
                name="catalog_price_not_negative",
                condition=Q(amount__gte=0)
                & (Q(compare_at_amount=None) | Q(compare_at_amount__gte=0)),
            ),
            models.CheckConstraint(
                name="catalog_price_currency_is_iso",
                condition=Q(currency__regex="^[A-Z]{3}$"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class ProductAttribute(models.Model):
    """What is said about a product: a value of the type that the attribute has."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="attributes"
    )
    attribute = models.ForeignKey(Attribute, on_delete=models.PROTECT, related_name="+")
    value = models.ForeignKey(
        AttributeValue,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    text = models.CharField(max_length=1000, blank=True, default="")
    number = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    boolean = models.BooleanField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="catalog_productattribute_unique",
                fields=["product", "attribute", "value"],
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.attribute_id} {self.product_id}"


class ProductCard(models.Model):
    """The read model: what lists, search and facets need of a published product.

    One row per product and currency it is priced in. ``is_default`` marks the row that
    answers a reader who named no currency. Written by services.refresh_cards in the
    transaction of the change, read by selectors, edited by nobody.
    """

    id = models.BigAutoField(primary_key=True)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="cards")
    currency = models.CharField(max_length=3, blank=True, default="")
    is_default = models.BooleanField()
    # The card as finished JSON text, joined into lists byte by byte.
    card = models.TextField()
    slug = models.CharField(max_length=255)
    title = models.CharField(max_length=255)
    vendor_slug = models.CharField(max_length=200, blank=True, default="")
    category_slugs = ArrayField(models.CharField(max_length=200), default=list)
    collection_slugs = ArrayField(models.CharField(max_length=200), default=list)
    tags = ArrayField(models.CharField(max_length=255), default=list)
    # "Color=Red" and "material=wool": one array index serves every name.
    options = ArrayField(models.TextField(), default=list)
    attributes = ArrayField(models.TextField(), default=list)
    min_amount = models.BigIntegerField(null=True)
    max_amount = models.BigIntegerField(null=True)
    in_stock = models.BooleanField()
    rating = models.DecimalField(max_digits=3, decimal_places=2, default=0)
    sold_quantity = models.BigIntegerField(default=0)
    published_at = models.DateTimeField()
    # All words, on the default row only: they are the same for each currency.
    search = SearchVectorField(null=True)
    # The words that rank it, without the description's: small enough to be read fast.
    ranking = SearchVectorField()
    # Folded title, for trigram similarity.
    search_title = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="catalog_productcard_one_per_currency",
                fields=["product", "currency"],
            ),
            models.UniqueConstraint(
                name="catalog_productcard_one_default",
                fields=["product"],
                condition=Q(is_default=True),
            ),
        ]
        # Every ordering has two: for readers who name no currency, and for those who do.
        indexes = [
            models.Index(
                "published_at",
                "product",
                name="catalog_card_newest",
                condition=Q(is_default=True),
            ),
            models.Index(
                "currency",
                "published_at",
                "product",
                name="catalog_card_currency_newest",
            ),
            models.Index(
                Coalesce("min_amount", UNPRICED_LAST),
                "product",
                name="catalog_card_price",
                condition=Q(is_default=True),
            ),
            models.Index(
                Coalesce("min_amount", UNPRICED_FIRST),
                "product",
                name="catalog_card_price_descending",
                condition=Q(is_default=True),
            ),
            models.Index(
                "currency",
                Coalesce("min_amount", UNPRICED_LAST),
                "product",
                name="catalog_card_currency_price",
            ),
            models.Index(
                "currency",
                Coalesce("min_amount", UNPRICED_FIRST),
                "product",
                name="catalog_card_currency_price_d",
            ),
            models.Index(
                "search_title",
                "product",
                name="catalog_card_title",
                condition=Q(is_default=True),
            ),
            models.Index(
                "currency",
                "search_title",
                "product",
                name="catalog_card_currency_title",
            ),
            models.Index(
                "rating",
                "product",
                name="catalog_card_rating",
                condition=Q(is_default=True),
            ),
            models.Index(
                "currency", "rating", "product", name="catalog_card_currency_rating"
            ),
            models.Index(
                "sold_quantity",
                "product",
                name="catalog_card_best_selling",
                condition=Q(is_default=True),
            ),
            models.Index(
                "currency",
                "sold_quantity",
                "product",
                name="catalog_card_currency_selling",
            ),
            # Without fastupdate no search has to read what wasn't sorted in yet.
            GinIndex(
                name="catalog_card_search",
                fields=["search"],
                condition=Q(is_default=True),
                fastupdate=False,
            ),
            GinIndex(name="catalog_card_categories", fields=["category_slugs"]),
            GinIndex(name="catalog_card_collections", fields=["collection_slugs"]),
            GinIndex(name="catalog_card_tags", fields=["tags"]),
            GinIndex(name="catalog_card_options", fields=["options"]),
            GinIndex(name="catalog_card_attributes", fields=["attributes"]),
            GinIndex(
                name="catalog_card_title_trigrams",
                fields=["search_title"],
                opclasses=["gin_trgm_ops"],
                condition=Q(is_default=True),
                fastupdate=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug} {self.currency}"


class SearchWord(models.Model):
    """A word of the catalogue, for correcting a reader's spelling by trigrams."""

    word = models.CharField(primary_key=True, max_length=64)
    product_count = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            # GiST, because it answers "the nearest words" in order.
            GistIndex(
                name="catalog_searchword_trigrams",
                fields=["word"],
                opclasses=["gist_trgm_ops"],
            )
        ]

    def __str__(self) -> str:
        return self.word


def private_storage() -> Storage:
    """Return where files wait that nobody may fetch."""
    return storages["private"]


class ImportJob(models.Model):
    """One file on its way into the catalogue; the row is what survives a crash."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"

    TRANSITIONS = {
        Status.QUEUED: {Status.RUNNING},
        Status.RUNNING: {Status.COMPLETED, Status.FAILED},
        Status.COMPLETED: set(),
        Status.FAILED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    format = models.CharField(max_length=32, default="shopify")
    # Kept until the job has ended.
    file = models.FileField(
        upload_to="imports/%Y/%m/", storage=private_storage, blank=True
    )
    file_name = models.CharField(max_length=255)
    currency = models.CharField(max_length=3)
    warehouse_code = models.CharField(max_length=32, blank=True, default="")
    is_dry_run = models.BooleanField(default=False)
    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    actor_id = models.UUIDField(null=True, blank=True)
    bytes_total = models.BigIntegerField(default=0)
    bytes_read = models.BigIntegerField(default=0)
    report = models.JSONField(default=dict)
    failure_code = models.CharField(max_length=64, blank=True, default="")
    failure_detail = models.TextField(blank=True, default="")
    # Products that begin above these lines of the file are in, and so is their stock.
    catalogue_line = models.PositiveBigIntegerField(default=0)
    stock_line = models.PositiveBigIntegerField(default=0)
    # The worker that holds the token works on the job, until the lease ends.
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    # Starts since the job last came further.
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                name="catalog_importjob_unfinished",
                fields=["created_at"],
                condition=Q(status__in=["queued", "running"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.file_name} {self.status}"


class ImportIssue(models.Model):
    """A row that was refused, or taken with a warning."""

    class Severity(models.TextChoices):
        ERROR = "error"
        WARNING = "warning"

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="issues")
    severity = models.CharField(max_length=16, choices=Severity)
    line = models.PositiveIntegerField()
    column = models.CharField(max_length=255, blank=True, default="")
    value = models.TextField(blank=True, default="")
    code = models.CharField(max_length=64)
    message = models.TextField()

    class Meta:
        indexes = [
            models.Index(
                name="catalog_importissue_by_line", fields=["job", "line", "id"]
            )
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"
