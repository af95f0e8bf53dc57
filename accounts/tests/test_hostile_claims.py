"""What a provider says of a person is a stranger's input, however well it is signed."""

import pytest

from accounts.models import User
from accounts.tests.oauth_flow import REFUSED, refusal, sign_in

pytestmark = pytest.mark.django_db

UNVERIFIED = (403, "provider_email_unverified")

SUBJECTS = ["a\x00b", "\ud800", "\x00", "a\r\nb", "x" * 256]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_that_no_table_holds_is_refused(api, issuer, subject):
    issuer.lies = {"claims": {"sub": subject}}

    assert refusal(sign_in(api, issuer)) == REFUSED
    assert not User.objects.exists()


ADDRESSES = [
    "",
    "anna",
    "anna@example.com\x00",
    "anna@example.com\r\nBcc: all@example.com",
    "anna@example.com, eve@example.com",
    "Anna <anna@example.com>",
    '"anna"@example.com',
    "anna@[127.0.0.1]",
    "anna@localhost",
    "\ud800@example.com",
    f"{'a' * 250}@example.com",
    ["anna@example.com"],
    {"anna@example.com": True},
    5,
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_nobody_could_register_is_none(api, issuer, address):
    issuer.lies = {"claims": {"email": address}}

    assert refusal(sign_in(api, issuer)) == UNVERIFIED
    assert not User.objects.exists()


@pytest.mark.parametrize("said", ["true", 1, [True], None])
def test_only_true_is_verified(api, issuer, said):
    issuer.lies = {"claims": {"email_verified": said}}

    assert refusal(sign_in(api, issuer)) == UNVERIFIED


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Anna\x00 Smith", "Anna Smith"),
        ("Anna\r\nSmith", "AnnaSmith"),
        ("\ud800Anna", "Anna"),
        ("x" * 500, "x" * 200),
        (["Anna"], ""),
        ("  ", ""),
    ],
)
def test_of_a_name_is_kept_what_can_be_shown(api, issuer, name, kept):
    issuer.lies = {"claims": {"name": name}}

    assert sign_in(api, issuer).status_code == 200
    assert User.objects.get().name == kept


STAMPS = ["soon", True, [], {}, "9" * 400, -1, 10**30]


@pytest.mark.parametrize("member", ["iat", "exp", "nbf"])
@pytest.mark.parametrize("stamp", STAMPS)
def test_an_instant_that_is_none_is_refused(api, issuer, member, stamp):
    issuer.lies = {"claims": {member: stamp}}

    response = sign_in(api, issuer)

    assert response.status_code in {200, 401}
