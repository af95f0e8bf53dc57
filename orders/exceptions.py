from core.errors import DomainError, ErrorKind


class CartNotFoundError(DomainError):
    code = "cart_not_found"
    kind = ErrorKind.NOT_FOUND
    title = "No such cart"
    cause = "There is no such cart, or it belongs to somebody else."
    cure = "Check the id, sign in as its owner, or start a new cart."


class CartItemNotFoundError(DomainError):
    code = "cart_item_not_found"
    kind = ErrorKind.NOT_FOUND
    title = "No such line in the cart"
    cause = "The line was removed, or belongs to another cart."
    cure = "Read the cart again."


class OrderNotFoundError(DomainError):
    code = "order_not_found"
    kind = ErrorKind.NOT_FOUND
    title = "No such order"
    cause = "There is no such order, or the caller may not see it."
    cure = "Sign in as its owner, or send the order's token in X-Order-Token."


class QuantityTooHighError(DomainError):
    code = "quantity_too_high"
    kind = ErrorKind.INVALID
    title = "Too many of one thing"
    cause = "A line of a cart may hold only so many units; `limit` says how many."
    cure = "Order less, or ask the shop for a bulk order."


class TooManyLinesError(DomainError):
    code = "too_many_lines"
    kind = ErrorKind.INVALID
    title = "Too many different things in one cart"
    cause = "A cart may hold only so many lines; `limit` says how many."
    cure = "Check this cart out, then fill another."


class VariantUnavailableError(DomainError):
    code = "variant_unavailable"
    kind = ErrorKind.INVALID
    title = "Not for sale"
    cause = (
        "The variant doesn't exist, isn't published, or has no price in this currency."
    )
    cure = "Choose another variant, or another currency."


class ShippingOptionUnavailableError(DomainError):
    code = "shipping_option_unavailable"
    kind = ErrorKind.INVALID
    title = "This shipping option isn't offered"
    cause = (
        "The option doesn't exist, is switched off, doesn't serve the country, or has "
        "no rate in the cart's currency."
    )
    cure = "Choose one of GET /carts/{id}/shipping-options."


class CartAlreadyCheckedOutError(DomainError):
    code = "cart_already_checked_out"
    kind = ErrorKind.CONFLICT
    title = "This cart has become an order"
    cause = (
        "The cart was checked out; `order` says which order it is and how it stands."
    )
    cure = "Start a new cart for anything else."


class CartIncompleteError(DomainError):
    code = "cart_incomplete"
    kind = ErrorKind.INVALID
    title = "The cart isn't ready to be checked out"
    cause = "Something is missing or can't be sold; `problems` lists what."
    cure = "Mend each of the problems, then check out again."


class PriceChangedError(DomainError):
    code = "price_changed"
    kind = ErrorKind.CONFLICT
    title = "The total has changed"
    cause = "The total isn't the one that the buyer agreed to; `total` is the new one."
    cure = "Show the buyer the new total, then check out with it."


class HoldNotExtendableError(DomainError):
    code = "reservation_not_extendable"
    kind = ErrorKind.CONFLICT
    title = "The reservation can't be extended again"
    cause = "Stock is held for a cart once and extended once."
    cure = "Check out before `reserved_until`, or reserve again after it."


class PaymentDeclinedError(DomainError):
    code = "payment_declined"
    kind = ErrorKind.PAYMENT_DECLINED
    title = "The payment was declined"
    cause = "The provider refused the payment; `decline_code` says why, if it is known."
    cure = "Check the cart out again, with a new Idempotency-Key and another method."


class OrderLapsedError(DomainError):
    code = "order_lapsed"
    kind = ErrorKind.CONFLICT
    title = "The payment came too late for the order"
    cause = (
        "The order was canceled or has failed before its payment was confirmed; "
        "`order` says how it stands. What was paid is given back."
    )
    cure = "Read the order. Check its cart out anew if it is open, or start a new cart."


class PaymentProviderUnavailableError(DomainError):
    code = "payment_provider_unavailable"
    kind = ErrorKind.UNAVAILABLE
    title = "The payment provider can't be reached"
    cause = "No connection could be made, so nothing was asked and nothing was paid."
    cure = "Try again after Retry-After, with the same Idempotency-Key. The cart is as it was."


class OrderTransitionError(DomainError):
    code = "order_transition_refused"
    kind = ErrorKind.CONFLICT
    title = "The order can't change in this way now"
    cause = "The order's state changed in the meantime, or doesn't allow this step."
    cure = "Read the order again; `current` is the state it was found in."


class OrderNotCancelableError(DomainError):
    code = "order_not_cancelable"
    kind = ErrorKind.CONFLICT
    title = "The order can't be canceled any more"
    cause = "It is canceled or completed already, or part of it has been sent."
    cure = "Once it has been delivered, send it back instead."
