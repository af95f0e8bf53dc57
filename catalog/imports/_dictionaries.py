"""Vendors and categories by the names that files give them."""

import unicodedata
from collections.abc import Collection, Iterator
from datetime import datetime
from uuid import UUID, uuid5

from django.db import connection
from django.utils.text import slugify

from catalog.constants import MAX_CATEGORY_DEPTH
from catalog.models import Category, Vendor

Path = tuple[str, ...]
MAX_NAME = 200
# A dry run makes no vendor; this stands for the one that would be made.
_UNMADE = UUID("0199d0a0-0000-7000-8000-000000000000")
_LOCK = (
    "SELECT pg_advisory_xact_lock(hashtextextended('catalog.imports.dictionary', 0))"
)


def category_path(text: str) -> Path:
    """Split ``A > B > C``; empty where there is none."""
    names = (part.strip()[:MAX_NAME] for part in text.split(">"))
    return tuple(name for name in names if name)[:MAX_CATEGORY_DEPTH]


def resolve_vendors(
    names: Collection[str], *, now: datetime, is_dry_run: bool
) -> dict[str, UUID]:
    """Return each vendor's id, making those that are missing.

    Names that differ in case or punctuation only are one vendor: they share a slug.
    """
    wanted = {name: _slug(name) for name in names}
    found = _vendors_by_slug(wanted.values())
    missing = {slug: name for name, slug in wanted.items() if slug not in found}
    if is_dry_run:
        return {
            name: found.get(slug) or uuid5(_UNMADE, slug)
            for name, slug in wanted.items()
        }
    if missing:
        Vendor.objects.bulk_create(
            (
                Vendor(name=name, slug=slug, created_at=now, updated_at=now)
                for slug, name in sorted(missing.items())
            ),
            ignore_conflicts=True,
        )
        found |= _vendors_by_slug(missing)
    return {name: found[slug] for name, slug in wanted.items()}


def _vendors_by_slug(slugs: Collection[str]) -> dict[str, UUID]:
    return dict(Vendor.objects.filter(slug__in=slugs).values_list("slug", "pk"))


def resolve_categories(
    paths: Collection[Path], *, now: datetime, is_dry_run: bool
) -> dict[Path, UUID]:
    """Return the id of each path's last category, making the nodes that are missing."""
    tree = _Tree(paths)
    if is_dry_run:
        return {
            path: tree.find(path) or uuid5(_UNMADE, ">".join(path)) for path in paths
        }
    if any(tree.find(path) is None for path in paths):
        # Two imports that grow the same branch would make it twice: names are not unique.
        with connection.cursor() as cursor:
            cursor.execute(_LOCK)
        tree = _Tree(paths)
        for path in sorted(paths):
            tree.grow(path, now=now)
    return {path: tree.require(path) for path in paths}


class _Tree:
    """The categories that any of some paths could go through."""

    def __init__(self, paths: Collection[Path]) -> None:
        names = {name for path in paths for name in path}
        rows = Category.objects.filter(name__in=names).order_by("position", "pk")
        self._ids: dict[tuple[UUID | None, str], UUID] = {}
        for pk, parent_id, name in rows.values_list("pk", "parent", "name"):
            self._ids.setdefault((parent_id, name), pk)

    def find(self, path: Path) -> UUID | None:
        node: UUID | None = None
        for name in path:
            node = self._ids.get((node, name))
            if node is None:
                return None
        return node

    def require(self, path: Path) -> UUID:
        node = self.find(path)
        if node is None:
            raise LookupError(path)
        return node

    def grow(self, path: Path, *, now: datetime) -> None:
        parent_id: UUID | None = None
        for depth, name in enumerate(path, start=1):
            key = (parent_id, name)
            if key not in self._ids:
                category = Category(
                    parent_id=parent_id,
                    name=name,
                    slug=_free_category_slug(path[:depth]),
                    created_at=now,
                    updated_at=now,
                )
                category.save(force_insert=True)
                self._ids[key] = category.pk
            parent_id = self._ids[key]


def _free_category_slug(path: Path) -> str:
    for slug in _category_slugs(path):
        if not Category.objects.filter(slug=slug).exists():
            return slug
    raise LookupError(path)


def _category_slugs(path: Path) -> Iterator[str]:
    """Yield ``shirts``, ``men-shirts``, ``clothing-men-shirts``, then ``shirts-2``."""
    for start in range(len(path) - 1, -1, -1):
        yield _slug(" ".join(path[start:]))
    for number in range(2, 10_000):
        yield f"{_slug(path[-1])[: MAX_NAME - 6]}-{number}"


def _slug(name: str) -> str:
    """Fold a name for an address; letters that are lost in it are told apart by a hash."""
    folded = slugify(name)[: MAX_NAME - 10].strip("-")
    decomposed = unicodedata.normalize("NFKD", name)
    is_lossy = any(letter.isalnum() and not letter.isascii() for letter in decomposed)
    if folded and not is_lossy:
        return folded
    return f"{folded or 'x'}-{uuid5(_UNMADE, name).hex[:8]}"
