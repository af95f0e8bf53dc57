from itertools import count

from django.utils.text import slugify

from catalog.models import Category, Collection, Product, Vendor

Addressed = Product | Category | Collection | Vendor
ROOM_FOR_NUMBER = 8


def free_slug(model: type[Addressed], text: str) -> str:
    """Make a slug of the text that none of the model's rows has now."""
    longest = model._meta.get_field("slug").max_length or ROOM_FOR_NUMBER  # noqa: SLF001 -- Django documents _meta
    stem = slugify(text)[: longest - ROOM_FOR_NUMBER].strip("-_")
    stem = stem or str(model._meta.model_name)  # noqa: SLF001 -- as above
    rows = model._default_manager.filter(slug__startswith=stem)  # noqa: SLF001 -- as above
    taken = set(rows.values_list("slug", flat=True))
    if stem not in taken:
        return stem
    return next(slug for n in count(2) if (slug := f"{stem}-{n}") not in taken)
