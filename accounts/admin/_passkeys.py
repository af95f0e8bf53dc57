"""The button by which a page of the administration takes a passkey."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def offered_passkey(
    request: HttpRequest, *, options: str, field: str = "credential"
) -> dict[str, Any]:
    """Describe it to the templates ``admin/passkey_*.html`` and their script.

    Browsers give a passkey's answer to the shop's own domain alone, and we take it from
    the pages of ``PASSKEY_ORIGINS``: elsewhere the person is told where to go.
    """
    origin = f"{request.scheme}://{request.get_host()}"
    return {
        "works_here": origin in settings.PASSKEY_ORIGINS,
        "origins": settings.PASSKEY_ORIGINS,
        "field": field,
        "button": {
            "type": "button",
            "data-passkey": True,
            "data-options": options,
            "data-field": field,
            "hidden": True,
        },
    }
