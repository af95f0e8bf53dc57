"""Bodies that the routes of signing in accept, with the rows they name.

Each takes the poisoned ``Shop`` and returns what to send.
"""

from accounts.tests import factors
from accounts.tests.authenticators import Authenticator
from accounts.tests.factories import PASSWORD, make_user
from accounts.tests.issuers import CALLBACK


def _code(shop):
    person = make_user()
    _, codes = factors.enrol(person)
    return {"ticket": factors.make_ticket_of(person), "code": codes[0]}


def _enrolled(shop):
    factors.enrol(shop.me())
    return {}


def _new_passkey(shop):
    options = shop.client.post("/api/v1/auth/passkeys/options").json()
    credential = Authenticator().create(options["public_key"])
    return {"credential": credential, "name": "One"}


def _passkeys_answer(shop):
    _, key = factors.make_passkey(make_user())
    options = shop.api.post("/api/v1/auth/passkeys/login/options").json()
    return {"credential": key.get(options["public_key"])}


def _providers_answer(shop):
    path = "/api/v1/auth/oauth/fake/start"
    start = shop.api.post(path, {"redirect_uri": CALLBACK}).json()
    return shop.issuer.authorize(start["authorization_url"])


ACCOUNT_BODIES = {
    "POST /auth/login": lambda _: {"email": make_user().email, "password": PASSWORD},
    "POST /auth/mfa": _code,
    "POST /auth/mfa/recovery-codes": _enrolled,
    "DELETE /auth/mfa/totp": _enrolled,
    "POST /auth/mfa/totp/confirm": lambda shop: {
        "code": factors.pending_code(shop.me())
    },
    "POST /auth/step-up": lambda _: {"password": "admin's password"},
    "DELETE /auth/me": lambda _: {"password": "admin's password"},
    "POST /auth/passkeys": _new_passkey,
    "POST /auth/passkeys/login": _passkeys_answer,
    "POST /auth/oauth/{provider}/start": lambda _: {"redirect_uri": CALLBACK},
    "POST /auth/oauth/{provider}/callback": _providers_answer,
    "POST /me/identities/start": lambda _: {
        "provider": "fake",
        "redirect_uri": CALLBACK,
    },
    "PATCH /api-keys/{id}": lambda _: {"name": "New ERP"},
    "PUT /users/{id}/roles": lambda _: {"roles": ["customer"]},
    "PUT /roles/{name}": lambda _: {"permissions": ["catalog.view_product"]},
    "POST /me/identities": lambda shop: {"ticket": factors.make_offer(shop.me())},
}
