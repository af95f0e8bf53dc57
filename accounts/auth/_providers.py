"""Providers of identities, as the settings name them."""

from dataclasses import dataclass

from django.conf import settings

OIDC, GITHUB = "oidc", "github"


@dataclass(frozen=True, slots=True)
class Provider:
    """``internal`` ones may be reached at private addresses and by plain HTTP."""

    name: str
    title: str
    issuer: str
    client_id: str
    client_secret: str
    kind: str = OIDC
    internal: bool = False
    # GitHub has no discovery; elsewhere these come from the issuer's metadata.
    authorization_endpoint: str = "https://github.com/login/oauth/authorize"
    token_endpoint: str = "https://github.com/login/oauth/access_token"  # noqa: S105 -- an address
    api: str = "https://api.github.com"


def providers() -> tuple[Provider, ...]:
    return tuple(Provider(**entry) for entry in settings.OAUTH_PROVIDERS)


def find_provider(name: str) -> Provider | None:
    return next((one for one in providers() if one.name == name), None)
