from django.conf import settings

from orders.payments.provider import Provider
from orders.payments.simulated import SimulatedProvider

# Kept for the life of the process, and their connections with them.
_connected: dict[tuple[str, bool], Provider] = {}


def offered_providers() -> dict[str, Provider]:
    """Return the providers that this shop is set up for, by code."""
    url: str = settings.PAYMENT_SIMULATOR_URL
    if not url:
        return {}
    key = (url, settings.PAYMENT_AUTO_CAPTURE)
    if key not in _connected:
        # Two threads may both make one; the first to be kept is the one in use.
        made = SimulatedProvider(url, auto_capture=settings.PAYMENT_AUTO_CAPTURE)
        if _connected.setdefault(key, made) is not made:
            made.close()
    return {SimulatedProvider.code: _connected[key]}


def close_providers() -> None:
    while _connected:
        _connected.popitem()[1].close()
