"""The steps of a sign-in by a provider, as a client takes them."""

from accounts.tests.issuers import CALLBACK

OAUTH = "/api/v1/auth/oauth"
IDENTITIES = "/api/v1/me/identities"
EMAIL = "anna@example.com"
REFUSED = (401, "oauth_refused")


def start(api, provider="fake", redirect_uri=CALLBACK):
    path = f"{OAUTH}/{provider}/start"
    return api.post(path, {"redirect_uri": redirect_uri})


def finish(api, back, provider="fake", **headers):
    return api.post(f"{OAUTH}/{provider}/callback", back, headers=headers)


def sign_in(api, issuer, **changes):
    return finish(api, issuer.authorize(begin(api), **changes))


def begin(api):
    return start(api).json()["authorization_url"]


def refusal(response):
    return response.status_code, response.json()["code"]
