"""What a batch of drafts changes. Nothing is written here, so a dry run plans as well."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from catalog.imports._columns import Layout
from catalog.imports._dictionaries import Path, category_path
from catalog.imports._matching import (
    Choice,
    choose_options,
    match_variants,
    ordered_options,
    reorder_options,
)
from catalog.imports._products import ProductDraft
from catalog.imports._reports import Issue, error, warning
from catalog.imports._rows import VariantRow
from catalog.imports._state import (
    ImageState,
    PriceState,
    ProductFields,
    ProductState,
    VariantState,
)
from catalog.models import Product
from catalog.services import clean_html
from core.ids import uuid7


@dataclass(frozen=True, slots=True)
class Known:
    """What a plan needs to know of the catalogue beside the products themselves."""

    layout: Layout
    sku_owners: Mapping[str, UUID]
    vendor_ids: Mapping[str, UUID]
    category_ids: Mapping[Path, UUID]
    now: datetime


@dataclass(slots=True)
class Change:
    """A product before and after; ``before`` is None for a new one."""

    before: ProductState | None
    after: ProductState

    @property
    def is_none(self) -> bool:
        return self.before == self.after


@dataclass(slots=True)
class Plan:
    changes: list[Change] = field(default_factory=list)
    # What the file counts of each variant.
    quantities: dict[UUID, int] = field(default_factory=dict)
    # The lines that name those variants, for what stock has to say of them.
    lines: dict[UUID, int] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    # Of each handle: created, updated, unchanged or refused.
    outcomes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Work:
    draft: ProductDraft
    before: ProductState | None
    after: ProductState
    choices: list[Choice]


def plan_batch(
    drafts: Sequence[ProductDraft],
    products: Mapping[str, ProductState],
    known: Known,
) -> Plan:
    """Compare drafts, each of another handle, with the products as they are.

    The drafts stay as they are, so that a batch can be planned again.
    """
    plan = Plan()
    drafts = [draft.copy() for draft in drafts]
    works = []
    for draft in drafts:
        work = _begin(draft, products.get(draft.handle), known.layout)
        if work is not None:
            works.append(work)
        elif draft.handle:
            plan.outcomes[draft.handle] = "refused"
    skus = _SkuClaims(works, known.sku_owners)
    for work in works:
        _fill(work, known, skus, plan)
    for draft in drafts:
        plan.issues += draft.issues
        plan.counts["rows_read"] += draft.rows_read
        plan.counts["rows_refused"] += draft.rows_refused
    return plan


def _begin(
    draft: ProductDraft, before: ProductState | None, layout: Layout
) -> _Work | None:
    """Match the draft with its product, or refuse all of it."""
    if not draft.handle:
        return None
    after = before.copy() if before else _new_product(draft)
    names, choices = choose_options(draft, after.option_names, layout)
    if before is None and not draft.has_head:
        message = f"There is no product {draft.handle!r}, and the rows give no title."
        _refuse_product(draft, "title_missing", layout.column("title"), message)
        return None
    if before is None and not choices and draft.rows_refused:
        message = "Every variant of the product was refused."
        _refuse_product(draft, "product_refused", "", message)
        return None
    reorder_options(after, names)
    match_variants(after, choices)
    if not _fits_the_rest(after, choices, names):
        message = (
            "The product has variants with other options, which the file does not name."
        )
        _refuse_product(
            draft, "options_changed", layout.column("option1_name"), message
        )
        return None
    if choices:
        after.options = ordered_options(
            names, **_option_values(after, choices, is_head=draft.has_head)
        )
    return _Work(draft, before, after, choices)


def _new_product(draft: ProductDraft) -> ProductState:
    return ProductState(uuid7(), draft.handle, ProductFields(title=draft.title))


def _refuse_product(draft: ProductDraft, code: str, column: str, message: str) -> None:
    """Refuse what is left of the draft, naming the reason once and every row."""
    for line in list(draft.accepted_lines):
        draft.take_back(line, error(line, column, draft.handle, code, message))


def _fits_the_rest(
    product: ProductState, choices: Sequence[Choice], names: tuple[str, ...]
) -> bool:
    changed = {choice.variant_id for choice in choices}
    rest = (v for v in product.variants.values() if v.id not in changed)
    return not choices or all(len(v.option_values) == len(names) for v in rest)


def _option_values(
    product: ProductState, choices: Sequence[Choice], *, is_head: bool
) -> dict[str, list[tuple[str, ...]]]:
    changed = {choice.variant_id for choice in choices}
    chosen = [choice.option_values for choice in choices]
    rest = [v.option_values for v in product.variants.values() if v.id not in changed]
    # A part of a product must not bring its order with it.
    return (
        {"first": chosen, "then": rest} if is_head else {"first": rest, "then": chosen}
    )


class _SkuClaims:
    """Who gets a SKU that several want: its owner, else whoever comes first."""

    def __init__(self, works: Sequence[_Work], owners: Mapping[str, UUID]) -> None:
        self._owners = owners
        self._claimed: dict[str, UUID] = {}
        self._released = {
            variant.sku
            for work in works
            for choice in work.choices
            if choice.variant_id is not None and choice.row.sku is not None
            for variant in [work.after.variants[choice.variant_id]]
            if variant.sku and variant.sku != choice.row.sku
        }

    def claim(self, sku: str, variant_id: UUID) -> bool:
        if not sku:
            return True
        if sku in self._claimed:
            return False
        owner = self._owners.get(sku)
        if owner not in {None, variant_id} and sku not in self._released:
            return False
        self._claimed[sku] = variant_id
        return True


def _fill(work: _Work, known: Known, skus: _SkuClaims, plan: Plan) -> None:
    _set_fields(work, known)
    _set_images(work, known)
    _set_variants(work, known, skus, plan)
    plan.changes.append(Change(work.before, work.after))
    _count(work, plan)


def _set_fields(work: _Work, known: Known) -> None:
    draft, product = work.draft, work.after
    if not draft.has_head:
        return
    said: dict[str, Any] = {"title": draft.title, **draft.fields}
    if "description_html" in said:
        said["description_html"] = clean_html(said["description_html"])
    if "tags" in said:
        said["tags"] = tuple(said["tags"])
    if "vendor" in said:
        vendor = said.pop("vendor")
        said["vendor_id"] = known.vendor_ids[vendor] if vendor else None
    # Staff file products too: the file adds its category and takes none away.
    if path := category_path(said.pop("category", "")):
        product.category_ids.add(known.category_ids[path])
    product.fields = replace(product.fields, **said)
    is_active = product.fields.status == Product.Status.ACTIVE
    if is_active and product.fields.published_at is None:
        product.fields = replace(product.fields, published_at=known.now)


def _set_images(work: _Work, known: Known) -> None:
    draft, images = work.draft, work.after.images
    last = max((image.position for image in images.values()), default=0)
    new = 0
    for ordinal, row in enumerate(draft.images, start=1):
        image = images.get(row.url)
        if image is None:
            new += 1
            position = ordinal if draft.has_head else last + new
            image = ImageState(uuid7(), row.url, position=position)
        elif draft.has_head and not known.layout.has("image_position"):
            image = replace(image, position=ordinal)
        if row.position is not None:
            image = replace(image, position=row.position)
        if known.layout.has("image_alt"):
            image = replace(image, alt=row.alt)
        images[row.url] = image
    for choice in work.choices:
        url = choice.row.image_url
        if url and url not in images:
            last = max((image.position for image in images.values()), default=0)
            images[url] = ImageState(uuid7(), url, position=last + 1)


def _set_variants(work: _Work, known: Known, skus: _SkuClaims, plan: Plan) -> None:
    product = work.after
    last = max((v.position for v in product.variants.values()), default=0)
    for ordinal, choice in enumerate(work.choices, start=1):
        row = choice.row
        if choice.variant_id is None:
            position = ordinal if work.draft.has_head else last + ordinal
            variant = VariantState(uuid7(), choice.option_values, position=position)
            choice.variant_id = variant.id
        else:
            variant = product.variants[choice.variant_id]
            position = ordinal if work.draft.has_head else variant.position
        changes: dict[str, Any] = {
            "option_values": choice.option_values,
            "position": position,
        }
        if row.barcode is not None:
            changes["barcode"] = row.barcode
        if known.layout.has("grams") or known.layout.has("weight"):
            changes["weight_grams"] = row.grams
        if known.layout.has("variant_image_url"):
            image = product.images.get(row.image_url)
            changes["image_id"] = image.id if image else None
        if row.sku is not None:
            if skus.claim(row.sku, variant.id):
                changes |= {"sku": row.sku, "external_sku": ""}
            else:
                changes |= {"sku": "", "external_sku": row.sku}
                work.draft.issues.append(_duplicate_sku(row, known.layout))
        product.variants[variant.id] = replace(variant, **changes)
        _set_price(product, choice, known)
        if row.quantity is not None:
            plan.quantities[variant.id] = row.quantity
            plan.lines[variant.id] = row.line


def _duplicate_sku(row: VariantRow, layout: Layout) -> Issue:
    message = "Another variant has this SKU; kept as external_sku only."
    column = layout.column("sku")
    return warning(row.line, column, row.sku or "", "duplicate_sku", message)


def _set_price(product: ProductState, choice: Choice, known: Known) -> None:
    row = choice.row
    if row.amount is None or choice.variant_id is None:
        return
    price = product.prices.get(choice.variant_id, PriceState(row.amount))
    price = replace(price, amount=row.amount)
    if known.layout.has("compare_at"):
        price = replace(price, compare_at_amount=row.compare_at)
    product.prices[choice.variant_id] = price


def _count(work: _Work, plan: Plan) -> None:
    before, after = work.before, work.after
    plan.outcomes[after.slug] = _outcome(before, after, is_new=before is None)
    for choice in work.choices:
        assert choice.variant_id is not None
        was = (
            (
                before.variants.get(choice.variant_id),
                before.prices.get(choice.variant_id),
            )
            if before
            else (None, None)
        )
        is_ = after.variants[choice.variant_id], after.prices.get(choice.variant_id)
        plan.counts[f"variants_{_outcome(was, is_, is_new=was[0] is None)}"] += 1
    urls = {row.url for row in work.draft.images}
    urls |= {choice.row.image_url for choice in work.choices} - {""}
    for url in urls:
        known_image = before.images.get(url) if before else None
        outcome = _outcome(known_image, after.images[url], is_new=known_image is None)
        plan.counts[f"images_{outcome}"] += 1


def _outcome(was: object, is_: object, *, is_new: bool) -> str:
    if is_new:
        return "created"
    return "unchanged" if was == is_ else "updated"
