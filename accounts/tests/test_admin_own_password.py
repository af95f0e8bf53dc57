"""Staff change their own password in the administration, by the rules of the API."""

import pytest
from django.utils import timezone

from accounts.models import ActivityEntry, Session
from accounts.services import change_password
from accounts.tests.browsers import UnprovenClient
from accounts.tests.factories import PASSWORD, PHONE, make_tokens, make_user
from accounts.tests.factors import enrol
from core.models import OutboxEvent
from core.protection import limiter
from core.protection.token_bucket import LocalBuckets

PAGE = "/admin/password_change/"
NEW = "another horse, another battery"
WRONG = "not it"

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client):
    user = make_user(roles=("admin",))
    client.force_login(user)
    return user


def send(client, *, old=PASSWORD, new=NEW, **more):
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post(PAGE, form, **more)


def test_it_does_what_the_api_does(client, boss):
    make_tokens(boss)
    other = UnprovenClient()
    other.force_login(boss)

    response = send(client)

    assert response.headers["Location"] == f"{PAGE}done/"
    boss.refresh_from_db()
    assert boss.check_password(NEW)
    (left,) = Session.objects.alive(now=timezone.now())
    assert left.door == "admin"
    assert ActivityEntry.objects.filter(kind="password_changed").count() == 1
    assert OutboxEvent.objects.filter(name="accounts.password_changed").count() == 1
    assert client.get("/admin/").status_code == 200
    assert other.get("/admin/").status_code == 302


def test_it_needs_a_fresh_proof(boss):
    stale = UnprovenClient()
    stale.force_login(boss)

    asked = send(stale)

    assert "proof-form" in asked.text
    boss.refresh_from_db()
    assert boss.check_password(PASSWORD)


@pytest.mark.parametrize("new", ["short", "x" * 129, "passwordpassword"[:8]])
def test_a_weak_password_is_refused(client, boss, new):
    response = send(client, new=new)

    assert response.status_code == 200
    assert response.context["form"].errors
    boss.refresh_from_db()
    assert boss.check_password(PASSWORD)


@pytest.mark.parametrize(("has_app", "is_taken"), [(False, False), (True, True)])
def test_how_long_it_must_be_depends_on_the_second_factor(
    client, boss, has_app, is_taken
):
    if has_app:
        enrol(boss)

    response = send(client, new="twelve signs")

    assert (response.status_code == 302) is is_taken


@pytest.mark.usefixtures("seeded_limits")
def test_it_is_no_place_to_guess_the_present_one(client, api_as, boss, monkeypatch):
    monkeypatch.setattr(limiter, "shared", LocalBuckets(clock=lambda: 0.0))
    api = api_as(boss)
    body = {"current_password": WRONG, "new_password": NEW}

    answers = []
    for _ in range(4):
        answers.append(send(client, old=WRONG).status_code)
        answers.append(api.post("/api/v1/auth/change-password", body).status_code)

    assert answers == [200, 422, 200, 422, 200, 429, 429, 429]
    assert send(client).status_code == 429


def test_a_change_elsewhere_ends_it(client, boss):
    assert client.get("/admin/").status_code == 200

    change_password(
        user=boss,
        current=PASSWORD,
        password=NEW,
        session_id=None,
        device=PHONE,
        now=timezone.now(),
    )

    assert client.get("/admin/").status_code == 302
