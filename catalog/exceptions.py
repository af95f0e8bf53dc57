"""Refusals of the catalogue that a caller can anticipate."""

from collections.abc import Iterable

from core.errors import DomainError, ErrorKind, FieldError


class SlugTakenError(DomainError):
    code = "slug_taken"
    kind = ErrorKind.CONFLICT
    title = "The slug belongs to another one"
    cause = "Two things of one kind can't share an address."
    cure = "Choose another slug, or leave it out to get a free one."


class CodeTakenError(DomainError):
    code = "code_taken"
    kind = ErrorKind.CONFLICT
    title = "The code belongs to another one"
    cause = "An attribute's code is unique, and a value's within its attribute."
    cure = "Choose another code."


class SkuTakenError(DomainError):
    code = "sku_taken"
    kind = ErrorKind.CONFLICT
    title = "The SKU belongs to another variant"
    cause = "A SKU names one variant in the whole shop, whatever its product."
    cure = "Choose another SKU, or leave it out."


class VariantExistsError(DomainError):
    code = "variant_exists"
    kind = ErrorKind.CONFLICT
    title = "The product has a variant with these options"
    cause = "Two variants of a product must differ in an option's value."
    cure = "Change that variant, or give this one another value."


class PriceExistsError(DomainError):
    code = "price_exists"
    kind = ErrorKind.CONFLICT
    title = "The variant has a price in this currency"
    cause = "A variant has one price in each currency."
    cure = "Change the existing price with PATCH."


class ImageExistsError(DomainError):
    code = "image_exists"
    kind = ErrorKind.CONFLICT
    title = "The product has this picture"
    cause = "A picture's address stands once in a product."
    cure = "Change the existing picture with PATCH."


class InUseError(DomainError):
    code = "in_use"
    kind = ErrorKind.CONFLICT
    title = "It is still in use"
    cause = "Something refers to it: products to a vendor, stock to a variant, a child to its category."
    cure = "Remove what refers to it first; archive a product instead of deleting it."


class ProductTransitionError(DomainError):
    code = "product_transition"
    kind = ErrorKind.CONFLICT
    title = "The product's state doesn't allow this"
    cause = "A product that is published already can't be published again, and likewise for the archive."
    cure = "Read the product; its `status` says what it is."

    def __init__(self, current: str, wanted: str) -> None:
        super().__init__(
            f"A product that is {current} can't become {wanted}.",
            current=current,
            wanted=wanted,
        )


class CategoryCycleError(DomainError):
    code = "category_cycle"
    kind = ErrorKind.CONFLICT
    title = "A category can't stand below itself"
    cause = "The new parent is the category itself or one of its descendants."
    cure = "Choose a parent outside the category's own branch."


class CategoryTooDeepError(DomainError):
    code = "category_too_deep"
    kind = ErrorKind.INVALID
    title = "The tree of categories would be too deep"
    cause = "The branch would reach further down than the tree may."
    cure = "Choose a parent nearer to the root."

    def __init__(self, max_depth: int) -> None:
        super().__init__(f"At most {max_depth} levels.", max_depth=max_depth)


class UnknownReferenceError(DomainError):
    code = "unknown_reference"
    kind = ErrorKind.INVALID
    title = "Something that is referred to doesn't exist"
    cause = (
        "An id or a code in the body names nothing, or something of another product."
    )
    cure = "Each entry of `errors` points at one; read the list that it belongs to."

    def __init__(self, pointers: Iterable[str]) -> None:
        detail = "There is nothing of this name."
        super().__init__(
            errors=[FieldError(pointer, self.code, detail) for pointer in pointers]
        )


class OptionsMismatchError(DomainError):
    code = "options_mismatch"
    kind = ErrorKind.INVALID
    title = "The variant's and the product's options differ"
    cause = "A variant gives one value for each option of its product, and no others."
    cure = (
        "Name every option of the product; add options before variants that need them."
    )


class TooManyError(DomainError):
    code = "too_many"
    kind = ErrorKind.INVALID
    title = "More than a product may have"
    cause = "A product's variants, pictures and option values are bounded."
    cure = "Split the product."

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"At most {limit} {what}.", limit=limit)


class AttributeValueMismatchError(DomainError):
    code = "attribute_value_mismatch"
    kind = ErrorKind.INVALID
    title = "The value doesn't suit the attribute's type"
    cause = (
        "A choice takes the code of one of its values, a number a number, and so on."
    )
    cure = "Read the attribute and its values, and correct what `errors` points at."

    def __init__(self, pointer: str, type_: str) -> None:
        detail = f"The attribute's type is {type_}."
        super().__init__(errors=[FieldError(pointer, self.code, detail)])


class AttributeTypeFixedError(DomainError):
    code = "attribute_type_fixed"
    kind = ErrorKind.CONFLICT
    title = "The attribute's type can't change any more"
    cause = "Products or values of the present type exist."
    cure = "Make another attribute, or remove the values first."
