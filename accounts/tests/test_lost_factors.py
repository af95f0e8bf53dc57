"""Who has lost the phone gets back in, and nobody else does on the way."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import ActivityEntry, Passkey, RecoveryCode, Session, TotpDevice
from accounts.services import begin_totp, confirm_totp
from accounts.tests.authenticators import code_at
from accounts.tests.factories import PASSWORD, PHONE, make_tokens, make_user
from accounts.tests.factors import make_passkey
from core.models import AuditEntry, OutboxEvent

EMAIL = "anna@example.com"

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return make_user(email="boss@example.com", roles=("admin",))


@pytest.fixture
def anna():
    user = make_user(email=EMAIL)
    enroll(user)
    make_passkey(user)
    return user


def enroll(user):
    earlier = timezone.now() - timedelta(minutes=5)
    secret = begin_totp(user=user, now=earlier).secret
    confirm_totp(user=user, code=code_at(secret, earlier), device=PHONE, now=earlier)


def reset(client, user):
    return client.post(f"/api/v1/users/{user.pk}/mfa-reset")


def refusal(response):
    return response.status_code, response.json()["code"]


def login(api, email=EMAIL):
    return api.post("/api/v1/auth/login", {"email": email, "password": PASSWORD})


def left_of(user):
    models = (TotpDevice, RecoveryCode, Passkey)
    return [model.objects.filter(user=user).count() for model in models]


def test_staff_take_lost_factors_away(api, api_as, boss, anna):
    assert login(api).json()["mfa_required"] is True
    session = make_tokens(anna).session_id

    assert reset(api_as(boss), anna).status_code == 204

    assert left_of(anna) == [0, 0, 0]
    assert Session.objects.get(pk=session).end_reason == "factors_reset"
    assert "access" in login(api).json()


def test_a_password_is_needed_as_before(api, api_as, boss, anna):
    reset(api_as(boss), anna)

    body = {"email": EMAIL, "password": "not it"}
    assert api.post("/api/v1/auth/login", body).status_code == 401


def test_a_ticket_from_before_opens_nothing(api, api_as, boss, anna):
    ticket = login(api).json()["ticket"]
    reset(api_as(boss), anna)

    for code in ("000000", "AAAA-AAAA"):
        body = {"ticket": ticket, "code": code}
        assert api.post("/api/v1/auth/mfa", body).status_code == 401


def test_it_is_written_down_and_told(api_as, boss, anna):
    reset(api_as(boss), anna)

    entry = AuditEntry.objects.get(action="second_factors_reset")
    assert (entry.actor_id, entry.subject_id) == (boss.pk, str(anna.pk))
    assert entry.before == {"authenticator_apps": 1, "passkeys": 1}
    shown = ActivityEntry.objects.get(user=anna, kind="factors_reset").details
    assert shown == {"by": "staff", "authenticator_apps": 1, "passkeys": 1}
    event = OutboxEvent.objects.get(name="accounts.factors_reset")
    assert event.payload == {"user_id": str(anna.pk)}


def test_it_asks_for_a_fresh_proof(api_as, boss, anna):
    client = api_as(boss)
    Session.objects.update(authenticated_at=timezone.now() - timedelta(hours=1))

    assert refusal(reset(client, anna)) == (403, "step_up_required")
    assert left_of(anna)[0] == 1


def test_nobody_does_it_to_who_may_do_more(api_as, anna):
    clerk = make_user(roles=("support",))
    owner = make_user(roles=("admin",), is_superuser=True)
    enroll(owner)

    assert refusal(reset(api_as(clerk), anna)) == (403, "permission_denied")
    admin = api_as(make_user(roles=("admin",)))
    assert refusal(reset(admin, owner)) == (403, "outranked")


def test_where_there_is_none_nothing_is_removed(api_as, boss):
    user = make_user()
    begin_totp(user=user, now=timezone.now())

    assert refusal(reset(api_as(boss), user)) == (409, "no_second_factor")
    assert not OutboxEvent.objects.filter(name="accounts.factors_reset").exists()


def test_the_last_admin_is_helped_from_the_server(api, boss, capsys):
    enroll(boss)

    call_command("reset_mfa", "Boss@Example.com")

    assert "password alone" in capsys.readouterr().out
    assert "access" in login(api, boss.email).json()
    entry = AuditEntry.objects.get(action="second_factors_reset")
    assert entry.actor_id is None


@pytest.mark.parametrize("email", ["nobody@example.com", "boss@example.com"])
def test_the_command_says_what_is_wrong(boss, email):
    with pytest.raises(CommandError, match=r"no such person|no second factor"):
        call_command("reset_mfa", email)


def test_staff_sign_a_person_out_everywhere(api_as, boss):
    user = make_user()
    theirs = [api_as(user), api_as(user)]

    response = api_as(boss).delete(f"/api/v1/users/{user.pk}/sessions")

    assert response.status_code == 204
    assert [c.get("/api/v1/auth/me").status_code for c in theirs] == [401, 401]
    reasons = set(
        Session.objects.filter(user=user).values_list("end_reason", flat=True)
    )
    assert reasons == {"ended_by_staff"}
    entry = AuditEntry.objects.get(action="sessions_ended")
    assert (entry.actor_id, entry.after) == (boss.pk, {"sessions": 2})


def test_the_administration_does_both(client, boss, anna):
    client.force_login(boss)
    session = make_tokens(anna).session_id
    chosen = {"_selected_action": [str(anna.pk)]}
    page = "/admin/accounts/user/"

    client.post(page, chosen | {"action": "end_sessions"})
    assert Session.objects.get(pk=session).end_reason == "ended_by_staff"
    assert left_of(anna)[0] == 1
    client.post(page, chosen | {"action": "reset_mfa"})

    assert left_of(anna) == [0, 0, 0]


def test_nobody_signs_out_who_may_do_more(api_as, boss):
    owner = make_user(is_superuser=True)
    theirs = api_as(owner)

    response = api_as(boss).delete(f"/api/v1/users/{owner.pk}/sessions")

    assert refusal(response) == (403, "outranked")
    assert theirs.get("/api/v1/auth/me").status_code == 200
