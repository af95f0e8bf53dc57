"""Bounds of the catalogue. They stand in the API's schema and keep one row in memory."""

MAX_OPTIONS = 3
MAX_OPTION_VALUES = 250
# Of one value, in UTF-8: an index entry holds MAX_OPTIONS of them, and no more.
MAX_OPTION_VALUE_BYTES = 800
MAX_VARIANTS = 2000
MAX_IMAGES = 250
MAX_TAGS = 250
MAX_CATEGORIES = 50
MAX_ATTRIBUTES = 250
MAX_CATEGORY_DEPTH = 10
MAX_DESCRIPTION = 200_000
# A product is made with so many variants in one request; more are added one by one.
MAX_VARIANTS_AT_ONCE = 250
MAX_COLLECTIONS = 50
MAX_PRICES = 50
