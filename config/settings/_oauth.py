"""Who else's accounts sign in here."""

from typing import Any

import orjson
from django.core.exceptions import ImproperlyConfigured

_MEMBERS = {"name", "title", "issuer", "client_id", "client_secret", "internal"}


def oauth_providers(
    *,
    google: tuple[str, str],
    github: tuple[str, str],
    others: str,
) -> list[dict[str, Any]]:
    """Describe the providers; a pair is a client's id and secret, and empty means none."""
    found: list[dict[str, Any]] = []
    if google[0]:
        found.append(
            {
                "name": "google",
                "title": "Google",
                "issuer": "https://accounts.google.com",
                "client_id": google[0],
                "client_secret": google[1],
            }
        )
    if github[0]:
        found.append(
            {
                "name": "github",
                "title": "GitHub",
                "kind": "github",
                "issuer": "https://github.com",
                "client_id": github[0],
                "client_secret": github[1],
            }
        )
    return found + _others(others)


def _others(text: str) -> list[dict[str, Any]]:
    if not text:
        return []
    entries: Any
    try:
        entries = orjson.loads(text)
    except ValueError as error:
        raise ImproperlyConfigured("OAUTH_OIDC_PROVIDERS must be JSON.") from error
    is_list = isinstance(entries, list)
    if not is_list or not all(isinstance(one, dict) for one in entries):
        raise ImproperlyConfigured("OAUTH_OIDC_PROVIDERS must be a list of objects.")
    for number, entry in enumerate(entries, start=1):
        missing = sorted(_MEMBERS - {"internal"} - set(entry))
        unknown = sorted(set(entry) - _MEMBERS)
        if missing or unknown:
            wrong = f"lacks {missing}" if missing else f"doesn't know {unknown}"
            raise ImproperlyConfigured(
                f"OAUTH_OIDC_PROVIDERS, entry {number}: {wrong}."
            )
    return list(entries)
