"""A fresh proof before what is sensitive in the administration."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils import timezone

from accounts.admin import proven_first, stand_for
from accounts.models import ActivityEntry, ApiKey, Ceremony, User
from accounts.services import start_browser_session
from accounts.tests.authenticators import code_at
from accounts.tests.browsers import UnprovenClient
from accounts.tests.factories import PASSWORD, PHONE, make_user
from accounts.tests.factors import enrol, make_passkey
from core.models import AddressBlock, Switch
from core.protection import limiter
from core.protection.token_bucket import LocalBuckets

LOGIN, OPTIONS = "/admin/login/", "/admin/prove/passkey/"
BLOCKS = "/admin/core/addressblock/"
SWITCH = "/admin/core/switch/traffic/switch"
USERS = "/admin/accounts/user/"
EMAIL = "boss@example.com"
WRONG = "not it"
BLOCK = {"network": "203.0.113.7", "reason": '<Scraping> & "more"'}
PROOF = {"proof-password": PASSWORD}

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return make_user(email=EMAIL, roles=("admin",))


@pytest.fixture
def page(boss):
    """Somebody who has signed in a while ago."""
    client = Client(headers={"Host": "localhost:8000"})
    long_ago = timezone.now() - timedelta(seconds=601)
    with time_machine.travel(long_ago, tick=False):
        response = client.post(LOGIN, {"username": EMAIL, "password": PASSWORD})
    assert response.status_code == 302
    return client


def typed(response):
    return dict(response.context["typed"])


def errors(response):
    return response.context["form"].non_field_errors()


def asks(response):
    return response.status_code == 200 and "proof-form" in response.text


def add(client, **more):
    return client.post(f"{BLOCKS}add/", BLOCK | more)


def test_a_proof_holds_for_its_time(boss):
    client, now = Client(), timezone.now()
    with time_machine.travel(now, tick=False):
        client.post(LOGIN, {"username": EMAIL, "password": PASSWORD})
    with time_machine.travel(now + timedelta(seconds=599), tick=False):
        assert add(client).status_code == 302
    with time_machine.travel(now + timedelta(seconds=600), tick=False):
        assert asks(add(client, network="203.0.113.8"))

    assert AddressBlock.objects.count() == 1


def test_what_was_typed_waits_and_goes_on_with_the_proof(page):
    asked = add(page)

    assert asks(asked)
    assert typed(asked) == BLOCK
    assert "&lt;Scraping&gt; &amp; &quot;more&quot;" in asked.text
    assert not AddressBlock.objects.exists()
    done = page.post(f"{BLOCKS}add/", typed(asked) | PROOF)
    assert done.status_code == 302
    assert AddressBlock.objects.get().reason == BLOCK["reason"]
    # And the next one needs none.
    assert add(page, network="203.0.113.8").status_code == 302


def test_a_wrong_proof_changes_nothing_and_loses_nothing(page):
    wrong = add(page, **{"proof-password": WRONG})

    assert errors(wrong) == ["That proof isn't right. Try again."]
    assert typed(wrong) == BLOCK
    assert WRONG not in wrong.text
    assert not AddressBlock.objects.exists()
    assert asks(add(page))
    entry = ActivityEntry.objects.get(kind="factor_failed")
    assert entry.details == {"at": "step_up"}


def test_many_of_one_name_are_all_kept(page):
    one, other = make_user(), make_user()
    form = {
        "action": "deactivate",
        "_selected_action": [str(one.pk), str(other.pk)],
    }

    asked = page.post(USERS, form)
    form = {"action": "deactivate", "_selected_action": []}
    for name, value in asked.context["typed"]:
        if name == "_selected_action":
            form[name].append(value)
    page.post(USERS, form | PROOF)

    assert not User.objects.filter(pk__in=[one.pk, other.pk], is_active=True).exists()


@pytest.mark.parametrize(
    ("address", "form"),
    [
        (f"{USERS}{{user}}/change/", {"name": "x"}),
        (f"{USERS}add/", {"email": "new@example.com", "name": "", "groups": []}),
        (USERS, {"action": "reset_password", "_selected_action": "{user}"}),
        (USERS, {"action": "deactivate", "_selected_action": "{user}"}),
        ("/admin/auth/group/{group}/change/", {"name": "support", "permissions": []}),
        ("/admin/accounts/apikey/add/", {"name": "x"}),
        (SWITCH, {"name": "breakers", "mode": "off"}),
        ("/admin/core/switch/traffic/control", {"name": "x", "action": "close"}),
    ],
)
def test_what_is_sensitive_waits_for_it(page, address, form):
    user, group = make_user(name="Old"), Group.objects.get(name="support")
    before = group.permissions.count()
    names = {"user": user.pk, "group": group.pk}

    def filled(text):
        return text.format(**names) if isinstance(text, str) else text

    response = page.post(filled(address), {k: filled(v) for k, v in form.items()})

    assert asks(response)
    user.refresh_from_db()
    assert (user.name, user.is_active) == ("Old", True)
    assert group.permissions.count() == before
    assert not User.objects.filter(email="new@example.com").exists()
    assert not ApiKey.objects.exists()
    assert not Switch.objects.exists()
    assert not ActivityEntry.objects.filter(kind="password_reset_requested").exists()


def test_with_an_app_its_code_is_asked_for_and_the_password_is_not_enough(page, boss):
    secret, _ = enrol(boss)

    asked = add(page)
    by_password = add(page, **PROOF)
    by_both = add(page, **PROOF, **{"proof-code": "000000"})
    by_code = add(page, **{"proof-code": code_at(secret, timezone.now())})

    assert 'name="proof-code"' in asked.text
    assert 'name="proof-password"' not in asked.text
    assert asks(by_password)
    assert asks(by_both)
    assert by_code.status_code == 302


def test_a_code_proves_once(page, boss):
    _, codes = enrol(boss)
    proof = {"proof-code": codes[0]}
    assert add(page, **proof).status_code == 302
    other = UnprovenClient()
    other.force_login(boss)

    again = add(other, network="203.0.113.9", **proof)

    assert errors(again)
    assert AddressBlock.objects.count() == 1


def options(client):
    answer = client.post(OPTIONS)
    assert answer.status_code == 200
    return answer.json()["public_key"]


def test_a_passkey_proves_it(page, boss):
    _, key = make_passkey(boss)
    asked = add(page)
    assert 'name="proof-credential"' in asked.text
    assert f'data-options="{OPTIONS}"' in asked.text
    assert 'src="/static/accounts/passkeys.js"' in asked.text

    lie = key.get(options(page), origin="https://evil.example")
    refused = add(page, **{"proof-credential": json.dumps(lie)})
    proof = json.dumps(key.get(options(page)))
    done = add(page, **{"proof-credential": proof})

    assert errors(refused) == ["That proof isn't right. Try again."]
    assert done.status_code == 302


def test_passkeys_of_others_and_of_other_doors_prove_nothing(page, api_as, boss):
    _, key = make_passkey(boss)
    _, others = make_passkey(make_user(roles=("admin",)))
    api = api_as(boss)
    of_api = api.post("/api/v1/auth/step-up/options").json()["public_key"]
    of_door = Client().post("/admin/login/passkey/").json()["public_key"]
    here = options(page)

    for answer in (others.get(here), key.get(of_api), key.get(of_door)):
        assert asks(add(page, **{"proof-credential": json.dumps(answer)}))
    in_api = api.post("/api/v1/auth/step-up", {"credential": key.get(options(page))})

    assert in_api.status_code == 403
    assert not AddressBlock.objects.exists()


def test_what_is_no_answer_of_a_passkey_is_no_proof(page, boss):
    make_passkey(boss)

    for text in ("{", "null", "[1]", '{"id": 1}'):
        assert asks(add(page, **{"proof-credential": text}))
    assert not AddressBlock.objects.exists()


def test_strangers_and_customers_are_asked_no_passkey(client, customer):
    assert client.post(OPTIONS).status_code == 302
    client.force_login(customer)
    assert client.post(OPTIONS).status_code == 302
    assert not Ceremony.objects.exists()


def test_who_is_not_in_is_led_to_the_door_and_not_to_a_proof(client, customer):
    for _ in range(2):
        response = add(client, **PROOF)
        assert response.status_code == 302
        assert response.headers["Location"].startswith(LOGIN)
        client.force_login(customer)


@pytest.mark.parametrize("value", [None, "now", True, -1, "inf", 2**40])
def test_a_session_that_knows_no_moment_is_asked(boss, value):
    client = UnprovenClient()
    client.force_login(boss)
    session = client.session
    session["accounts.proven_at"] = value
    session.save()

    assert asks(add(client))


def test_proving_gives_the_session_another_key(page):
    before = page.cookies["sessionid"].value

    add(page, **PROOF)

    assert page.cookies["sessionid"].value != before


def test_a_proof_by_a_second_factor_opens_what_asks_for_one(page, boss, settings):
    secret, _ = enrol(boss)
    add(page, **{"proof-code": code_at(secret, timezone.now())})
    settings.STAFF_MFA_REQUIRED = True

    assert page.get("/admin/").status_code == 200


def test_a_form_without_its_token_proves_nothing(boss):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(boss)

    assert add(strict, **PROOF).status_code == 403
    assert not AddressBlock.objects.exists()


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        ("http://localhost:8000/admin/core/switch/traffic/", True),
        ("https://evil.example/", False),
        ("javascript:alert(1)", False),
        ("", False),
    ],
)
def test_it_leads_back_to_our_own_pages_only(page, came_from, back):
    form = {"name": "breakers", "mode": "off"}

    first = page.post(SWITCH, form, headers={"Referer": came_from})
    again = page.post(SWITCH, form | {"proof-back": came_from, "proof-password": "x"})

    for response in (first, again):
        assert response.context["back"] == (came_from if back else "/admin/")


@pytest.mark.usefixtures("seeded_limits")
def test_guesses_count_with_those_at_the_apis_step_up(page, api_as, boss, monkeypatch):
    monkeypatch.setattr(limiter, "shared", LocalBuckets(clock=lambda: 0.0))
    api = api_as(boss)

    answers = []
    for n in range(4):
        here = {"X-Forwarded-For": f"203.0.113.{n}"}
        body = {"password": WRONG}
        answers.append(api.post("/api/v1/auth/step-up", body, headers=here).status_code)
        proof = BLOCK | {"proof-password": WRONG}
        answers.append(page.post(f"{BLOCKS}add/", proof, headers=here).status_code)
    right = add(page, **PROOF)

    assert answers == [403, 200, 403, 200, 403, 429, 429, 429]
    assert right.status_code == 429
    assert right.json()["violated_policies"] == ["step-up"]
    assert not AddressBlock.objects.exists()
    # Being asked is no guess.
    assert asks(add(page))


def test_the_page_needs_no_code_of_its_own(page, boss):
    make_passkey(boss)
    own = add(page).text.partition('id="proof-form"')[2].partition("</form>")[0]

    for inline in ("<script", "style=", "onclick", "x-data", "@click"):
        assert inline not in own


def test_nobody_keeps_the_page(page):
    assert "no-store" in add(page).headers["Cache-Control"]


def test_the_page_behind_sees_nothing_of_the_proof(boss, rf):
    seen = []
    request = rf.post("/", {"name": "x", "proof-back": "/", **PROOF})
    request.user = boss
    request.session = SessionStore()
    session = start_browser_session(
        user=boss, device=PHONE, methods=["password"], now=timezone.now()
    )
    stand_for(request, session)

    proven_first(lambda request: seen.append(request.POST.dict()))(request)

    assert seen == [{"name": "x"}]
