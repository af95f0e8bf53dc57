from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from catalog.imports._planning import Change
from catalog.imports._state import ProductState


@dataclass(slots=True)
class Overlay:
    """What a dry run would have written, as far as later rows can meet it again.

    ``handles`` and ``skus`` are those that the file may name more than once.
    """

    handles: Collection[str] = ()
    skus: Collection[str] = ()
    _products: dict[str, ProductState] = field(default_factory=dict)
    _owners: dict[str, UUID] = field(default_factory=dict)
    _freed: set[str] = field(default_factory=set)

    def remember(self, changes: Collection[Change]) -> None:
        for change in changes:
            if change.after.slug in self.handles:
                self._products[change.after.slug] = change.after
            self._remember_skus(change)

    def _remember_skus(self, change: Change) -> None:
        before = change.before.variants if change.before else {}
        for id_, variant in change.after.variants.items():
            known = before.get(id_)
            if known and known.sku and known.sku != variant.sku:
                self._freed.add(known.sku)
            if variant.sku in self.skus:
                self._owners[variant.sku] = id_

    def products_over(
        self, stored: Mapping[str, ProductState], handles: Collection[str]
    ) -> dict[str, ProductState]:
        planned = {h: self._products[h] for h in handles if h in self._products}
        return {**stored, **planned}

    def owners_over(self, stored: Mapping[str, UUID]) -> dict[str, UUID]:
        kept = {sku: id_ for sku, id_ in stored.items() if sku not in self._freed}
        return kept | self._owners
