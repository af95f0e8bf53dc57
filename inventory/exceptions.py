from collections.abc import Mapping, Sequence
from uuid import UUID

from core.errors import DomainError, ErrorKind, FieldError


class InsufficientStockError(DomainError):
    code = "insufficient_stock"
    kind = ErrorKind.CONFLICT
    title = "Not enough stock"
    cause = "Fewer units are available than were asked for."
    cure = "Lower the quantity to what `available` names for each variant, or wait."

    def __init__(
        self,
        *,
        available: Mapping[UUID, int],
        wanted: int,
        errors: Sequence[FieldError] = (),
    ) -> None:
        """Name the short variants with what is left, out of so many that were wanted."""
        super().__init__(
            f"{len(available)} of {wanted} lines can't be supplied in full.",
            errors=errors,
            available={str(variant_id): left for variant_id, left in available.items()},
        )
        self.available = dict(available)


class ReservationLostError(DomainError):
    code = "reservation_lost"
    kind = ErrorKind.CONFLICT
    title = "The stock is no longer held"
    cause = "The hold on the stock expired or was released before it was used."
    cure = "Reserve the stock again; it may have been sold in the meantime."


class StockChangedError(DomainError):
    code = "stock_changed"
    kind = ErrorKind.CONFLICT
    title = "The stock has changed"
    cause = "The stock is no longer what `expected_on_hand` says: it moved meanwhile."
    cure = "Look at `on_hand`, decide again, and send the figure that you now expect."

    def __init__(self, *, on_hand: int) -> None:
        super().__init__(f"There are {on_hand} on hand now.", on_hand=on_hand)


class StockBelowReservedError(DomainError):
    code = "stock_below_reserved"
    kind = ErrorKind.CONFLICT
    title = "Fewer units than are promised"
    cause = "The change would leave less than zero, or less than buyers already hold."
    cure = "Go no lower than `minimum`, or cancel the orders that hold the units."

    def __init__(self, *, on_hand: int, reserved: int, minimum: int) -> None:
        super().__init__(
            f"Of {on_hand} on hand {reserved} are reserved: {minimum} is the least.",
            on_hand=on_hand,
            reserved=reserved,
            minimum=minimum,
        )


class StockTooHighError(DomainError):
    code = "stock_too_high"
    kind = ErrorKind.INVALID
    title = "More units than can be kept"
    cause = "The change would exceed the greatest quantity that a stock row can hold."
    cure = "Check the figure; a row holds at most a thousand million units."


class UnknownWarehouseError(DomainError):
    code = "unknown_warehouse"
    kind = ErrorKind.INVALID
    title = "No such warehouse"
    cause = "No warehouse has the code that was given."
    cure = "Use a code from `GET /warehouses`, or create the warehouse first."


class UnknownVariantError(DomainError):
    code = "unknown_variant"
    kind = ErrorKind.INVALID
    title = "No such variant"
    cause = "No variant has the id or SKU that was given."
    cure = "Look the variant up in the catalogue."


class WarehouseCodeTakenError(DomainError):
    code = "warehouse_code_taken"
    kind = ErrorKind.CONFLICT
    title = "The code is taken"
    cause = "Another warehouse has this code already."
    cure = "Choose another code, or change the warehouse that has it."
