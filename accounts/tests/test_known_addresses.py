"""Nothing tells whether an address is known: answers, statements and time are the same.

Each form is sent with the address of nobody and with addresses of accounts in every
state, of the same length.
"""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.constants import STRANGERS_ACTIVITY_PER_HOUR, ActivityKind
from accounts.models import ActivityEntry, User
from accounts.tests.factories import PASSWORD, make_tokens, make_user
from accounts.tests.factors import enrol, make_passkey
from accounts.tests.hashing import CheapArgon2Hasher
from accounts.tests.oauth_flow import begin, finish
from accounts.tests.timing import assert_same_time
from core.models import OutboxEvent

pytestmark = pytest.mark.django_db
AUTH = "/api/v1/auth"
ADMIN = "/admin/login/"
# Of what an answer has, only these tell one request from another; the second one of
# pages that nobody may keep, by the second that they were made in.
OWN_HEADERS = {"X-Request-ID", "Expires"}
UNKNOWN = "u0@example.com"
WRONG = "what a stranger tries"
# A case is called so often when answers and statements are compared.
CALLS_OF_A_CASE = 3


@pytest.fixture(autouse=True)
def _cheap_hashes(settings):
    """The real hasher with the least work, beside which a difference shows most."""
    settings.PASSWORD_HASHERS = ["accounts.tests.hashing.CheapArgon2Hasher"]


def guess_often(user, count):
    ActivityEntry.objects.bulk_create(
        ActivityEntry(
            user=user,
            kind=ActivityKind.SIGN_IN_FAILED,
            at=timezone.now(),
            details={},
        )
        for _ in range(count)
    )


# What they are, and the password that is tried.
STATES = {
    "verified": ({}, WRONG),
    "unverified": ({"email_verified_at": None}, WRONG),
    "unverified, by the right password": ({"email_verified_at": None}, PASSWORD),
    "closed": ({"is_active": False}, WRONG),
    "closed, by the right password": ({"is_active": False}, PASSWORD),
    "leaving": ({"erase_after": timezone.now() + timedelta(days=9)}, WRONG),
    "without a password": ({"password": None}, WRONG),
    "with an older hash": ({}, WRONG),
    "with an app": ({}, WRONG),
    "with a passkey": ({}, WRONG),
    "staff": ({"is_staff": True}, WRONG),
    "guessed at nine times": ({}, WRONG),
    "guessed at plenty": ({}, WRONG),
}


def hashed_cheaply():
    """Return a hash of parameters that cost an eighth of today's."""
    hasher = CheapArgon2Hasher()
    hasher.memory_cost //= 8
    return hasher.encode(PASSWORD, hasher.salt())


def make_everybody():
    """Return the address of an account in each state."""
    found = {}
    for number, (state, (fields, _)) in enumerate(STATES.items(), start=10):
        found[state] = f"{number}@example.com"
        user = make_user(email=found[state], **fields)
        if state == "with an older hash":
            User.objects.filter(pk=user.pk).update(password=hashed_cheaply())
        if state == "with an app":
            enrol(user)
        if state == "with a passkey":
            make_passkey(user)
        if state == "guessed at nine times":
            guess_often(user, 9)
        if state == "guessed at plenty":
            guess_often(user, STRANGERS_ACTIVITY_PER_HOUR)
    return found


def shown(response):
    """Return all that the answer shows, but for what tells requests apart."""
    headers = {n: v for n, v in response.headers.items() if n not in OWN_HEADERS}
    request_id = response.headers["X-Request-ID"].encode()
    return response.status_code, headers, response.content.replace(request_id, b"")


def statements(call):
    """Return what the call asks of the database; what is taken back ends like the rest."""
    seen = []

    def note(execute, sql, params, many, context):
        text = re.sub(r'"s\d+_x\d+"', "it", sql)
        seen.append(re.sub("^(RELEASE|ROLLBACK TO) SAVEPOINT", "END", text))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        call()
    return seen


def assert_nothing_tells(cases, shown=shown):
    """Compare what each case answers and asks with what the first one does."""
    for call in cases.values():
        # What is read once in a process is read.
        call()
    answers = {name: shown(call()) for name, call in cases.items()}
    asked = {name: statements(call) for name, call in cases.items()}
    first = next(iter(cases))
    assert [name for name in cases if answers[name] != answers[first]] == []
    assert [name for name in cases if asked[name] != asked[first]] == []
    return answers[first]


# What is asked about an address by anybody.

FORMS = {
    "register": {"password": "a wholly new one", "name": "Anna", "locale": "en"},
    "resend-verification": {},
    "forgot-password": {},
}
each_form = pytest.mark.parametrize("form", FORMS)
# Whose times are compared where the request looks nobody up.
TIMED = ("verified", "unverified")


def asking(form, emails):
    client = APIClient()

    def case(email):
        body = FORMS[form] | {"email": email}
        return lambda: client.post(f"{AUTH}/{form}", body, format="json")

    return {name: case(email) for name, email in emails.items()}


@each_form
def test_a_form_does_not_tell(form):
    cases = asking(form, {"unknown": UNKNOWN} | make_everybody())

    status, _, content = assert_nothing_tells(cases)

    assert (status, content) == (202, b"")


@each_form
def test_the_time_of_a_form_does_not_tell(form):
    everybody = make_everybody()
    emails = {"unknown": UNKNOWN} | {state: everybody[state] for state in TIMED}

    assert_same_time(asking(form, emails))


# Signing in.


def signing_in(states):
    everybody, client = make_everybody(), APIClient()

    def case(email, password):
        body = {"email": email, "password": password}
        return lambda: client.post(f"{AUTH}/login", body, format="json")

    cases = {state: case(everybody[state], STATES[state][1]) for state in states}
    return {"unknown": case(UNKNOWN, WRONG)} | cases


def test_a_refused_sign_in_does_not_tell():
    status, headers, _ = assert_nothing_tells(signing_in(STATES))

    assert status == 401
    assert "Device-ID" not in headers


def test_the_tenth_failure_does_not_tell():
    """It is told to the owner, and only then."""
    unknown, tenth = signing_in(["guessed at nine times"]).values()
    unknown()

    asked = statements(tenth)

    assert OutboxEvent.objects.filter(name="accounts.sign_ins_guessed").count() == 1
    assert asked == statements(unknown)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_time_of_a_refused_sign_in_does_not_tell():
    states = [
        *("verified", "unverified, by the right password"),
        *("closed, by the right password", "without a password"),
        *("with an older hash", "with an app"),
    ]

    assert_same_time(signing_in(states))


# The administration's door.


def page_shown(response):
    """Return what the page says, without what it makes anew each time."""
    content = response.content.decode()
    content = re.sub(r'(csrfmiddlewaretoken" value|nonce)="[^"]+"', "", content)
    headers = {
        n: re.sub("'nonce-[^']+'", "", v)
        for n, v in response.headers.items()
        if n not in OWN_HEADERS
    }
    return response.status_code, headers, re.sub(r"\d\d@|u0@", "", content)


def at_the_admins_door(states):
    everybody, client = make_everybody(), Client()

    def case(email, password):
        form = {"username": email, "password": password}
        return lambda: client.post(ADMIN, form)

    cases = {state: case(everybody[state], STATES[state][1]) for state in states}
    return {
        "unknown": case(UNKNOWN, WRONG),
        "a customer": case(everybody["verified"], PASSWORD),
    } | cases


def test_the_admins_door_does_not_tell():
    status, _, content = assert_nothing_tells(at_the_admins_door(STATES), page_shown)

    assert status == 200
    assert "password" in content


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_time_of_the_admins_door_does_not_tell():
    states = ["staff", "unverified, by the right password"]

    assert_same_time(at_the_admins_door(states))


# Changing to an address that somebody has.


def changing_to(emails):
    client = APIClient()
    access = make_tokens(make_user(email="me@example.com")).access
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")

    def case(email):
        body = {"email": email, "current_password": PASSWORD}
        return lambda: client.post(f"{AUTH}/change-email", body, format="json")

    return {name: case(email) for name, email in emails.items()}


def test_a_change_of_address_does_not_tell():
    cases = changing_to({"unknown": UNKNOWN} | make_everybody())

    status, _, content = assert_nothing_tells(cases)

    assert (status, content) == (202, b"")


def test_the_time_of_a_change_of_address_does_not_tell():
    everybody = make_everybody()
    emails = {"unknown": UNKNOWN} | {state: everybody[state] for state in TIMED}

    assert_same_time(changing_to(emails))


# Signing in by a provider that has not verified the address. Where it has, whoever signs
# in reads the mails of that address, and is told.


def coming_back(issuer, emails, times):
    api = APIClient()
    issuer.email_verified = False
    answers = [issuer.authorize(begin(api)) for _ in range(len(emails) * times)]

    def case(email):
        def call():
            issuer.email = email
            return finish(api, answers.pop())

        return call

    return {name: case(email) for name, email in emails.items()}


def test_a_provider_that_proves_no_address_learns_nothing(issuer):
    emails = {"unknown": UNKNOWN} | make_everybody()
    cases = coming_back(issuer, emails, CALLS_OF_A_CASE)

    status, _, _ = assert_nothing_tells(cases)

    assert status == 403


# Passkeys ask for nobody's address.


def test_the_options_of_a_passkey_are_the_same_for_all():
    api, path = APIClient(), f"{AUTH}/passkeys/login/options"
    before = statements(lambda: api.post(path))
    make_passkey(make_user(email="anna@example.com"))

    response = api.post(path, {"email": "anna@example.com"})
    after = statements(lambda: api.post(path, {"email": "anna@example.com"}))

    assert response.json()["public_key"]["allowCredentials"] == []
    assert before == after
