from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be told. ``subject`` names the loader that knows what it is about."""

    slug: str
    category: str
    subject: str
    channels: tuple[str, ...]


ORDER_PLACED = Kind(
    slug="order_placed", category="order", subject="order", channels=("email",)
)
KINDS = {kind.slug: kind for kind in (ORDER_PLACED,)}
