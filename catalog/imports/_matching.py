"""Which row of the file means which variant of the product."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from catalog.imports._columns import Layout
from catalog.imports._products import ProductDraft
from catalog.imports._reports import error, warning
from catalog.imports._rows import VariantRow
from catalog.imports._state import OptionState, ProductState, VariantState

# How Shopify writes that a product has no options.
NO_OPTION_NAME = "title"
NO_OPTION_VALUE = "Default Title"


@dataclass(slots=True)
class Choice:
    """A row with the option values it stands for, and the variant it changes, if any."""

    row: VariantRow
    option_values: tuple[str, ...]
    variant_id: UUID | None = None


def choose_options(
    draft: ProductDraft, known_names: tuple[str, ...], layout: Layout
) -> tuple[tuple[str, ...], list[Choice]]:
    """Return the product's option names and its rows as choices of them.

    Rows that choose incompletely, or what a row before them chose, are refused.
    """
    names = _trimmed(draft.option_names) or known_names
    values = [_trimmed(row.option_values) for row in draft.variants]
    if _has_no_options(names, values):
        names = ()
        values = [()] * len(values)
    names = _named(draft, names, max(map(len, values), default=0), layout)
    choices: dict[tuple[str, ...], Choice] = {}
    for row, chosen in zip(draft.variants, values, strict=True):
        # Padded, because a trailing choice may be the one that is missing.
        complete = chosen + ("",) * (len(names) - len(chosen))
        if "" in complete:
            number = complete.index("") + 1
            column = layout.column(f"option{number}_value")
            message = f"The row chooses no {names[number - 1]!r}."
            code = "option_value_missing"
            draft.take_back(row.line, error(row.line, column, "", code, message))
        elif complete in choices:
            value = " / ".join(complete)
            column = layout.column("option1_value")
            message = (
                f"The variant stands in line {choices[complete].row.line} already."
            )
            code = "variant_repeated"
            draft.take_back(row.line, error(row.line, column, value, code, message))
        else:
            choices[complete] = Choice(row, complete)
    return names, list(choices.values())


def _trimmed(cells: Sequence[str]) -> tuple[str, ...]:
    last = max((i for i, cell in enumerate(cells) if cell), default=-1)
    return tuple(cells[: last + 1])


def _has_no_options(names: tuple[str, ...], values: Sequence[tuple[str, ...]]) -> bool:
    is_unnamed = not names or (
        len(names) == 1 and names[0].casefold() == NO_OPTION_NAME
    )
    return is_unnamed and all(chosen in {(), (NO_OPTION_VALUE,)} for chosen in values)


def _named(
    draft: ProductDraft, names: tuple[str, ...], count: int, layout: Layout
) -> tuple[str, ...]:
    """Give every option a name of its own."""
    named: list[str] = []
    for number, name in enumerate(names + ("",) * (count - len(names)), start=1):
        unique = name if name and name not in named else f"Option {number}"
        if unique != name and draft.variants:
            message = f"The option is called {unique!r}."
            column = layout.column(f"option{number}_name")
            draft.issues.append(
                warning(draft.line, column, name, "option_renamed", message)
            )
        named.append(unique)
    return tuple(named)


def reorder_options(product: ProductState, names: tuple[str, ...]) -> None:
    """Follow the file where it only names the product's options in another order."""
    known = product.option_names
    if known == names or sorted(known) != sorted(names):
        return
    places = [known.index(name) for name in names]
    product.options = [product.options[place] for place in places]
    for id_, variant in product.variants.items():
        if len(variant.option_values) == len(places):
            values = tuple(variant.option_values[place] for place in places)
            product.variants[id_] = replace(variant, option_values=values)


def match_variants(product: ProductState, choices: Sequence[Choice]) -> None:
    """Say of each choice which variant it changes: by SKU first, else by option values.

    Two variants never end up with the same values: what a variant that the file does not
    name has chosen already means that variant, whatever the SKU says.
    """
    free = dict(product.variants)
    by_values = {variant.option_values: variant for variant in free.values()}

    def pair(choice: Choice, variant: VariantState) -> None:
        choice.variant_id = variant.id
        del free[variant.id]

    for choice in choices:
        holder = by_values.get(choice.option_values)
        if holder is not None and choice.row.sku in _skus_of(holder):
            pair(choice, holder)
    for choice in choices:
        if choice.variant_id is None and choice.row.sku:
            by_sku = (v for v in free.values() if choice.row.sku in _skus_of(v))
            variant = next(by_sku, None)
            if variant is not None:
                pair(choice, variant)
    for choice in choices:
        holder = by_values.get(choice.option_values)
        if choice.variant_id is None and holder is not None and holder.id in free:
            pair(choice, holder)
    _settle(product, choices, free, by_values)
    _adopt_default(choices, free)


def _skus_of(variant: VariantState) -> set[str]:
    return {variant.sku, variant.external_sku} - {""}


def _settle(
    product: ProductState,
    choices: Sequence[Choice],
    free: dict[UUID, VariantState],
    by_values: dict[tuple[str, ...], VariantState],
) -> None:
    """Give a choice to the variant that has its values and would keep them."""
    is_settled = False
    while not is_settled:
        is_settled = True
        for choice in choices:
            holder = by_values.get(choice.option_values)
            if holder is None or holder.id not in free:
                continue
            if choice.variant_id is not None:
                free[choice.variant_id] = product.variants[choice.variant_id]
            choice.variant_id = holder.id
            del free[holder.id]
            is_settled = False


def _adopt_default(choices: Sequence[Choice], free: dict[UUID, VariantState]) -> None:
    """Let the only variant of a product without options become the first of several."""
    if len(free) != 1 or any(choice.variant_id for choice in choices):
        return
    (only,) = free.values()
    if not only.option_values and choices and choices[0].option_values:
        choices[0].variant_id = only.id
        free.clear()


def ordered_options(
    names: tuple[str, ...],
    *,
    first: Sequence[tuple[str, ...]],
    then: Sequence[tuple[str, ...]],
) -> list[OptionState]:
    """Return the options with the values that variants have, each once, in their order."""
    combinations = [*first, *then]
    return [
        OptionState(
            name, tuple(dict.fromkeys(chosen[place] for chosen in combinations))
        )
        for place, name in enumerate(names)
    ]
