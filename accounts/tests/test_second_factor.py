"""Signing in with two factors, and proving it again, as a client meets them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.auth import key_ring
from accounts.constants import Method
from accounts.models import ActivityEntry, Ceremony, Session, User
from accounts.services import begin_totp, confirm_totp
from accounts.tests.authenticators import Authenticator, code_at
from accounts.tests.factories import PASSWORD, PHONE, make_user
from core.models import OutboxEvent

LOGIN = "/api/v1/auth/login"
MFA = "/api/v1/auth/mfa"
TOTP = "/api/v1/auth/mfa/totp"
STEP_UP = "/api/v1/auth/step-up"
PASSKEYS = "/api/v1/auth/passkeys"
EMAIL = "anna@example.com"
WRONG = "not it"
ORIGIN = "http://localhost:8000"

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna():
    return make_user(email=EMAIL)


@pytest.fixture
def secret(anna):
    return enrol(anna)


def enrol(user):
    earlier = timezone.now() - timedelta(minutes=5)
    secret = begin_totp(user=user, now=earlier).secret
    code = code_at(secret, earlier)
    confirm_totp(user=user, code=code, device=PHONE, now=earlier)
    return secret


def present_code(secret):
    return code_at(secret, timezone.now())


def login(api, **more):
    return api.post(LOGIN, {"email": EMAIL, "password": PASSWORD} | more)


def ticket(api):
    return login(api).json()["ticket"]


def answer(api, ticket, code, **headers):
    return api.post(MFA, {"ticket": ticket, "code": code}, headers=headers)


def refusal(response):
    return response.status_code, response.json()["code"]


def age_proofs():
    """Have every session's last proof be too old for what is sensitive."""
    Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=11))


def test_a_password_alone_answers_a_ticket(api, secret):
    response = login(api)

    assert response.status_code == 200
    assert response.json() == {
        "mfa_required": True,
        "ticket": response.json()["ticket"],
        "methods": ["totp", "recovery_code"],
    }
    assert "Device-ID" not in response.headers
    assert not Session.objects.exists()


def test_the_code_turns_the_ticket_into_a_session(api, anna, secret):
    response = answer(api, ticket(api), present_code(secret))

    assert response.status_code == 200
    assert set(response.json()) == {"access", "refresh", "user"}
    assert Session.objects.get().methods == ["password", "totp"]
    assert User.objects.get().last_login is not None
    signed_in = ActivityEntry.objects.get(kind="signed_in")
    assert signed_in.details == {"methods": ["password", "totp"]}


def test_a_ticket_counts_once(api, secret):
    used = ticket(api)
    answer(api, used, present_code(secret))
    later = code_at(secret, timezone.now() + timedelta(seconds=30))

    assert refusal(answer(api, used, later)) == (401, "invalid_ticket")


def test_a_wrong_code_leaves_the_ticket_four_more_tries(api, secret):
    one = ticket(api)

    answers = [refusal(answer(api, one, "000000")) for _ in range(6)]
    right = refusal(answer(api, one, present_code(secret)))

    assert answers == [(401, "wrong_code")] * 5 + [(401, "invalid_ticket")]
    assert right == (401, "invalid_ticket")
    assert ActivityEntry.objects.filter(kind="factor_failed").count() == 5


def test_a_ticket_is_one_devices(api, secret):
    stolen = ticket(api)
    code = present_code(secret)

    elsewhere = answer(api, stolen, code, **{"User-Agent": "curl/8"})

    assert refusal(elsewhere) == (401, "invalid_ticket")
    assert answer(api, stolen, code).status_code == 200


def test_a_ticket_holds_for_five_minutes(api, secret):
    old = ticket(api)
    Ceremony.objects.update(expires_at=timezone.now())

    assert refusal(answer(api, old, present_code(secret))) == (401, "invalid_ticket")


@pytest.mark.parametrize("forged", ["x", "x:y:z", "é", "a" * 512])
def test_a_ticket_that_is_not_ours_opens_nothing(api, secret, forged):
    code = present_code(secret)

    assert refusal(answer(api, forged, code)) == (401, "invalid_ticket")


def test_a_ticket_is_for_its_own_account(api, secret):
    bob = make_user(email="bob@example.com")
    his = enrol(bob)

    assert refusal(answer(api, ticket(api), present_code(his))) == (401, "wrong_code")


def test_a_closed_account_is_not_opened_by_a_ticket(api, anna, secret):
    one = ticket(api)
    User.objects.filter(pk=anna.pk).update(is_active=False)

    assert refusal(answer(api, one, present_code(secret))) == (401, "invalid_ticket")


@pytest.mark.usefixtures("seeded_limits")
def test_codes_are_limited_over_all_tickets(api, anna, secret):
    tickets = [ticket(api) for _ in range(3)]

    answers = [
        answer(api, one, "000000", **{"X-Forwarded-For": f"203.0.113.{n}"}).status_code
        for n, one in enumerate(tickets * 4, start=1)
    ]

    assert answers[:5] == [401] * 5
    assert answers.count(429) >= 6


def test_setting_up_an_app_over_http(api_as, api, anna):
    client = api_as(anna)
    offer = client.post(TOTP).json()

    wrong = client.post(f"{TOTP}/confirm", {"code": "000000"})
    earlier = code_at(offer["secret"], timezone.now() - timedelta(seconds=30))
    right = client.post(f"{TOTP}/confirm", {"code": earlier})

    assert set(offer) == {"secret", "otpauth_uri", "qr_svg"}
    assert refusal(wrong) == (422, "invalid_code")
    codes = right.json()["recovery_codes"]
    assert len(codes) == 10
    assert refusal(client.post(TOTP)) == (409, "totp_in_use")
    assert answer(api, ticket(api), codes[0]).status_code == 200
    fresh = client.post(f"{MFA}/recovery-codes").json()["recovery_codes"]
    assert refusal(answer(api, ticket(api), codes[1])) == (401, "wrong_code")
    assert answer(api, ticket(api), fresh[1]).status_code == 200
    assert client.delete(TOTP).status_code == 204
    assert set(login(api).json()) == {"access", "refresh", "user"}


def test_a_passkey_over_http(api, api_as, anna):
    client, key = api_as(anna), Authenticator(origin=ORIGIN)
    options = client.post(f"{PASSKEYS}/options").json()["public_key"]
    made = client.post(
        PASSKEYS, {"credential": key.create(options), "name": "Laptop"}, format="json"
    )
    assert made.status_code == 201
    assert set(made.json()) == {
        "id",
        "name",
        "is_backed_up",
        "created_at",
        "last_used_at",
    }

    options = api.post(f"{PASSKEYS}/login/options").json()["public_key"]
    signed_in = api.post(f"{PASSKEYS}/login", {"credential": key.get(options)})
    replayed = api.post(f"{PASSKEYS}/login", {"credential": key.get(options)})

    assert signed_in.status_code == 200
    assert signed_in.json()["user"]["email"] == EMAIL
    assert "Device-ID" in signed_in.headers
    assert Session.objects.latest("created_at").methods == ["passkey"]
    assert refusal(replayed) == (401, "passkey_refused")
    address = f"{PASSKEYS}/{made.json()['id']}"
    assert client.patch(address, {"name": "Old"}).json()["name"] == "Old"
    assert [one["name"] for one in client.get(PASSKEYS).json()] == ["Old"]
    assert client.delete(address).status_code == 204


def test_a_passkey_needs_no_code_beside_it(api, api_as, anna, secret):
    client, key = api_as(anna), Authenticator(origin=ORIGIN)
    options = client.post(f"{PASSKEYS}/options").json()["public_key"]
    client.post(PASSKEYS, {"credential": key.create(options), "name": "Laptop"})

    options = api.post(f"{PASSKEYS}/login/options").json()["public_key"]
    signed_in = api.post(f"{PASSKEYS}/login", {"credential": key.get(options)})

    assert set(signed_in.json()) == {"access", "refresh", "user"}
    assert login(api).json()["methods"] == ["totp", "recovery_code", "passkey"]


def test_passkeys_cost_one_query_however_many(api_as, anna, django_assert_num_queries):
    client = api_as(anna)

    def add():
        key = Authenticator(origin=ORIGIN)
        options = client.post(f"{PASSKEYS}/options").json()["public_key"]
        client.post(PASSKEYS, {"credential": key.create(options), "name": "One"})

    for wanted in (1, 3):
        while len(client.get(PASSKEYS).json()) < wanted:
            add()
        # The session and its user, and the passkeys.
        with django_assert_num_queries(2):
            assert len(client.get(PASSKEYS).json()) == wanted


def test_another_persons_passkey_is_not_there(api_as, anna, customer):
    client, key = api_as(anna), Authenticator(origin=ORIGIN)
    options = client.post(f"{PASSKEYS}/options").json()["public_key"]
    made = client.post(PASSKEYS, {"credential": key.create(options), "name": "One"})
    address = f"{PASSKEYS}/{made.json()['id']}"

    stranger = api_as(customer)

    assert stranger.get(PASSKEYS).json() == []
    assert stranger.patch(address, {"name": "x"}).status_code == 404
    assert stranger.delete(address).status_code == 404


SENSITIVE = [
    ("post", TOTP),
    ("delete", TOTP),
    ("post", f"{MFA}/recovery-codes"),
    ("post", PASSKEYS),
    ("post", f"{PASSKEYS}/options"),
    ("delete", f"{PASSKEYS}/019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11"),
]


@pytest.mark.parametrize(("method", "path"), SENSITIVE)
def test_what_is_sensitive_asks_for_a_recent_proof(api_as, anna, method, path):
    client = api_as(anna)
    age_proofs()

    response = getattr(client, method)(path)

    assert refusal(response) == (403, "step_up_required")
    assert response.json()["methods"] == ["password"]


def test_a_password_steps_up_where_there_is_no_app(api_as, anna):
    client = api_as(anna)
    age_proofs()

    wrong = client.post(STEP_UP, {"password": "not it"})
    right = client.post(STEP_UP, {"password": PASSWORD})

    assert refusal(wrong) == (403, "step_up_failed")
    assert right.status_code == 204
    assert client.post(TOTP).status_code == 201


def test_with_an_app_only_the_second_factor_steps_up(api_as, anna, secret):
    client = api_as(anna)
    age_proofs()

    by_password = client.post(STEP_UP, {"password": PASSWORD})
    by_code = client.post(STEP_UP, {"code": present_code(secret)})

    assert refusal(by_password) == (403, "step_up_failed")
    assert by_password.json()["methods"] == ["totp", "recovery_code"]
    assert by_code.status_code == 204
    assert Session.objects.get().methods == ["password", "totp"]
    assert client.delete(TOTP).status_code == 204


def test_a_code_steps_up_once(api_as, anna, secret):
    client, code = api_as(anna), present_code(secret)

    assert client.post(STEP_UP, {"code": code}).status_code == 204
    assert refusal(client.post(STEP_UP, {"code": code})) == (403, "step_up_failed")


def test_a_passkey_steps_up(api_as, anna):
    client, key = api_as(anna), Authenticator(origin=ORIGIN)
    options = client.post(f"{PASSKEYS}/options").json()["public_key"]
    client.post(PASSKEYS, {"credential": key.create(options), "name": "Laptop"})
    age_proofs()

    options = client.post(f"{STEP_UP}/options").json()["public_key"]
    wrong = client.post(
        STEP_UP, {"credential": key.get(options, origin="http://evil.example")}
    )
    options = client.post(f"{STEP_UP}/options").json()["public_key"]
    right = client.post(STEP_UP, {"credential": key.get(options)})

    assert refusal(wrong) == (403, "step_up_failed")
    assert right.status_code == 204
    assert Method.PASSKEY in Session.objects.get().methods


@pytest.mark.parametrize("body", [{}, {"password": "x", "code": "1"}])
def test_stepping_up_takes_one_proof(api_as, anna, body):
    response = api_as(anna).post(STEP_UP, body)

    assert refusal(response) == (422, "validation_error")


def test_stepping_up_holds_for_its_own_session(api_as, anna):
    one, other = api_as(anna), api_as(anna)
    age_proofs()
    one.post(STEP_UP, {"password": PASSWORD})

    assert one.post(TOTP).status_code == 201
    assert other.post(TOTP).status_code == 403


def test_failures_are_in_the_owners_log_and_many_are_told(api, anna):
    for _ in range(12):
        login(api, password=WRONG, email="Anna@example.com")

    assert ActivityEntry.objects.filter(kind="sign_in_failed").count() == 12
    event = OutboxEvent.objects.get(name="accounts.sign_ins_guessed")
    assert event.payload == {"user_id": str(anna.pk)}


def test_failures_of_nobody_leave_nothing(api):
    for _ in range(12):
        login(api, password=WRONG, email="nobody@example.com")

    assert not ActivityEntry.objects.exists()
    assert not OutboxEvent.objects.exists()


def test_a_failure_asks_the_database_the_same_for_nobody(
    api, anna, django_assert_num_queries, django_assert_max_num_queries
):
    with django_assert_max_num_queries(20) as known:
        login(api, password=WRONG)
    with django_assert_max_num_queries(20) as unknown:
        login(api, password=WRONG, email="nobody@example.com")

    def shapes(captured):
        return [
            query["sql"].split()[:3] for query in captured if "SAVE" not in query["sql"]
        ]

    assert shapes(known) == shapes(unknown)


def test_signing_in_costs_six_queries(api, anna, django_assert_max_num_queries):
    login(api)
    # A process that runs for a while knows its keys.
    key_ring.load()

    with django_assert_max_num_queries(20) as captured:
        login(api)

    # The savepoints are the test's; the signing keys are remembered where it isn't one.
    apart = ("SAVEPOINT", "accounts_signingkey")
    statements = [q["sql"] for q in captured if not any(w in q["sql"] for w in apart)]
    assert len(statements) == 6, statements
