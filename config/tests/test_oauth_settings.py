import orjson
import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings._oauth import oauth_providers

NONE = ("", "")
OWN = {
    "name": "own",
    "title": "Company account",
    "issuer": "https://id.example.com",
    "client_id": "shop",
    "client_secret": "secret",
}


def names(google=NONE, github=NONE, others=""):
    found = oauth_providers(google=google, github=github, others=others)
    return [one["name"] for one in found]


def test_nobody_is_offered_unasked():
    assert names() == []


def test_a_client_id_offers_its_provider():
    others = orjson.dumps([OWN | {"internal": True}]).decode()

    assert names(("g", "s"), ("h", "s"), others) == ["google", "github", "own"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "OAUTH_OIDC_PROVIDERS must be JSON."),
        ("{}", "OAUTH_OIDC_PROVIDERS must be a list of objects."),
        ("[1]", "OAUTH_OIDC_PROVIDERS must be a list of objects."),
        (
            '[{"name": "own", "title": "x", "issuer": "x", "client_id": "x"}]',
            r"OAUTH_OIDC_PROVIDERS, entry 1: lacks \['client_secret'\]\.",
        ),
        (
            orjson.dumps([OWN, OWN | {"isuer": "x"}]).decode(),
            r"OAUTH_OIDC_PROVIDERS, entry 2: doesn't know \['isuer'\]\.",
        ),
    ],
)
def test_a_mistake_is_named(text, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        names(others=text)
