from collections.abc import Callable, Iterable, Iterator

from catalog.imports._products import ProductDraft

MAX_PRODUCTS = 200
MAX_ROWS = 4000
MAX_CHARACTERS = 4_000_000

Batch = list[ProductDraft]


def in_batches(
    drafts: Iterable[ProductDraft], *, belong_together: Callable[..., bool]
) -> Iterator[Batch]:
    """Yield drafts in batches of bounded size, each handle once in a batch.

    ``belong_together`` says of two drafts whether one batch may hold both.
    """
    batch: Batch = []
    handles: set[str] = set()
    for draft in drafts:
        is_full = batch and (
            draft.handle in handles
            or len(batch) >= MAX_PRODUCTS
            or sum(known.rows_read for known in batch) >= MAX_ROWS
            or sum(known.size for known in batch) >= MAX_CHARACTERS
            or not belong_together(batch[-1], draft)
        )
        if is_full:
            yield batch
            batch, handles = [], set()
        batch.append(draft)
        handles |= {draft.handle} - {""}
    if batch:
        yield batch
