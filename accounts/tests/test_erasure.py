from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import services
from accounts.auth import make_undo_token, read_undo_token
from accounts.constants import ERASURE_GRACE, ActivityKind, Method
from accounts.exceptions import InvalidUndoTokenError, LastAdminError
from accounts.models import ActivityEntry, Session, User
from accounts.services import _erasure, complete_sign_in
from accounts.tests.factories import PHONE, make_tokens, make_user
from core import personal_data
from core.models import AuditEntry, OutboxEvent
from core.tests.racing import race

NOW = timezone.now()
pytestmark = pytest.mark.django_db


@pytest.fixture
def leaving():
    user = make_user(email="leaving@example.com")
    make_tokens(user)
    services.request_erasure(user_id=user.pk, device=PHONE, now=NOW)
    user.refresh_from_db()
    return user


def kinds(user):
    return {*ActivityEntry.objects.of(user.pk).values_list("kind", flat=True)}


def events(user):
    rows = OutboxEvent.objects.filter(aggregate_id=str(user.pk))
    return [*rows.order_by("sequence").values_list("name", flat=True)]


def requests_noted():
    return AuditEntry.objects.filter(action="erasure_requested").count()


def test_a_request_ends_all_sessions_and_starts_the_grace(leaving):
    assert leaving.erase_after == NOW + ERASURE_GRACE
    assert leaving.is_active
    assert not Session.objects.alive(now=NOW).exists()
    assert ActivityKind.ERASURE_REQUESTED in kinds(leaving)
    assert events(leaving)[-1] == "accounts.erasure_requested"
    assert requests_noted() == 1


def test_asking_again_changes_nothing(leaving):
    later = NOW + timedelta(days=3)

    again = services.request_erasure(user_id=leaving.pk, device=PHONE, now=later)

    assert again == leaving.erase_after
    assert requests_noted() == 1


def test_nobody_is_erased_within_the_grace(leaving):
    end = NOW + ERASURE_GRACE

    assert services.erase_due(now=end - timedelta(seconds=1)) == 0
    assert services.erase_due(now=end) == 1
    assert services.erase_due(now=end) == 0


def test_signing_in_keeps_the_account(leaving):
    complete_sign_in(user=leaving, device=PHONE, methods=[Method.PASSWORD], now=NOW)

    leaving.refresh_from_db()
    assert leaving.erase_after is None
    assert ActivityKind.ERASURE_CANCELED in kinds(leaving)
    assert "accounts.erasure_canceled" in events(leaving)
    assert services.erase_due(now=NOW + ERASURE_GRACE) == 0


def test_signing_in_without_one_asks_for_none():
    user = make_user()
    with CaptureQueriesContext(connection) as asked:
        complete_sign_in(user=user, device=PHONE, methods=[Method.PASSWORD], now=NOW)

    assert [query for query in asked.captured_queries if "erase" in query["sql"]] == []


def test_the_mails_link_keeps_the_account(api, leaving):
    token = make_undo_token(leaving.pk, leaving.erase_after)

    response = api.post("/api/v1/auth/undo-erasure", {"token": token})

    assert response.status_code == 204
    leaving.refresh_from_db()
    assert leaving.erase_after is None
    again = api.post("/api/v1/auth/undo-erasure", {"token": token})
    assert (again.status_code, again.json()["code"]) == (400, "invalid_undo_token")


@pytest.mark.parametrize("token", ["", "x", "a:b:c", "x" * 1000])
def test_a_damaged_link_is_none(token):
    assert read_undo_token(token) is None


def test_a_link_does_not_undo_a_later_erasure(leaving):
    old = make_undo_token(leaving.pk, leaving.erase_after)
    services.cancel_erasure(user_id=leaving.pk, device=None, now=NOW)
    later = NOW + timedelta(days=1)
    services.request_erasure(user_id=leaving.pk, device=PHONE, now=later)

    with pytest.raises(InvalidUndoTokenError):
        services.undo_erasure(token=old, now=later)


def test_the_last_admin_has_to_find_another_first(staff):
    admin = staff("admin")

    with pytest.raises(LastAdminError):
        services.request_erasure(user_id=admin.pk, device=None, now=NOW)

    staff("admin", email="second@shop.example.com")
    services.request_erasure(user_id=admin.pk, device=None, now=NOW)
    # One who is leaving doesn't count any more.
    second = User.objects.get(email="second@shop.example.com")
    with pytest.raises(LastAdminError):
        services.request_erasure(user_id=second.pk, device=None, now=NOW)


def test_an_erased_account_is_a_shell(leaving):
    services.erase_due(now=NOW + ERASURE_GRACE)

    leaving.refresh_from_db()
    assert leaving.email == f"erased-{leaving.pk}@invalid"
    assert (leaving.name, leaving.is_active, leaving.erase_after) == ("", False, None)
    assert leaving.erased_at == NOW + ERASURE_GRACE
    assert not leaving.has_usable_password()
    assert not leaving.groups.exists()
    assert not Session.objects.filter(user=leaving).exists()
    assert kinds(leaving) == set()
    assert events(leaving) == ["accounts.user_erased"]
    entry = AuditEntry.objects.get(action="person_erased")
    assert entry.subject_id == str(leaving.pk)
    assert entry.after["rows"]["profile"] == 1


def test_one_obstacle_makes_one_person_wait(leaving, monkeypatch):
    obstacle = {"a test": lambda person, now: person.user_id == leaving.pk}
    monkeypatch.setattr(personal_data, "_obstacles", obstacle)
    other = make_user()
    services.request_erasure(user_id=other.pk, device=None, now=NOW)

    assert services.erase_due(now=NOW + ERASURE_GRACE) == 1

    leaving.refresh_from_db()
    assert leaving.erased_at is None


def test_an_eraser_that_fails_leaves_the_person_whole(leaving, monkeypatch):
    def fail(rows, now):
        raise RuntimeError

    everything = {h.name: h for h in personal_data.holdings()}
    # It goes last, when the others have done theirs.
    profile = replace(everything["profile"], erase=fail)
    monkeypatch.setattr(personal_data, "_holdings", everything | {"profile": profile})

    with pytest.raises(RuntimeError):
        services.erase_due(now=NOW + ERASURE_GRACE)

    assert Session.objects.filter(user=leaving).exists()
    assert User.objects.get(pk=leaving.pk).email == "leaving@example.com"


@pytest.mark.django_db(transaction=True)
def test_signing_in_and_erasing_at_once_end_in_one_of_the_two():
    user = make_user()
    services.request_erasure(user_id=user.pk, device=PHONE, now=NOW)
    user.refresh_from_db()
    end = NOW + ERASURE_GRACE

    def sign_in():
        complete_sign_in(user=user, device=PHONE, methods=[Method.PASSWORD], now=end)

    race([sign_in, lambda: services.erase_due(now=end)])

    user.refresh_from_db()
    is_kept = user.erase_after is None and user.erased_at is None
    assert is_kept is (not user.email.startswith("erased-"))
    assert is_kept is user.is_active


@pytest.mark.django_db(transaction=True)
def test_without_its_condition_who_signed_in_is_erased(monkeypatch):
    user = make_user()
    services.request_erasure(user_id=user.pk, device=PHONE, now=NOW)
    erase_person = _erasure._erase_person  # noqa: SLF001 -- the moment in between

    def sign_in_first(user_id, *, now):
        services.cancel_erasure(user_id=user_id, device=PHONE, now=now)
        return erase_person(user_id, now=now)

    monkeypatch.setattr(_erasure, "_erase_person", sign_in_first)
    assert services.erase_due(now=NOW + ERASURE_GRACE) == 0

    # The control: the person as he was read, without asking again.
    person = personal_data.Person(user.pk, user.email)
    personal_data.erase(person, now=NOW)
    user.refresh_from_db()
    assert user.erased_at is not None


# Over HTTP.


ALICES = {"password": "alice's password"}


def leave(client, body=ALICES):
    return client.delete("/api/v1/auth/me", body)


def test_delete_me_tells_when(api_as, customer):
    response = leave(api_as(customer))

    customer.refresh_from_db()
    assert response.status_code == 202
    told = response.json()["erase_after"]
    assert told == f"{customer.erase_after:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_delete_me_needs_a_recent_proof(api_as, customer):
    client = api_as(customer)
    Session.objects.update(authenticated_at=NOW - timedelta(hours=1))

    response = leave(client)

    assert (response.status_code, response.json()["code"]) == (403, "step_up_required")
    customer.refresh_from_db()
    assert customer.erase_after is None


def test_delete_me_of_the_last_admin_is_refused(api_as, staff):
    response = leave(api_as(staff("admin")), {"password": "admin's password"})

    assert (response.status_code, response.json()["code"]) == (409, "last_admin")


@pytest.mark.parametrize("body", [{}, {"password": ""}, {"password": "not it"}])
def test_delete_me_asks_for_the_password(api_as, customer, body):
    response = leave(api_as(customer), body)

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["pointer"], error["code"]) == ("#/password", "wrong_password")
    customer.refresh_from_db()
    assert customer.erase_after is None


def test_delete_me_asks_who_has_no_password_for_none(api_as):
    user = make_user(password=None)

    assert leave(api_as(user), {}).status_code == 202


def test_delete_me_takes_nothing_else(api_as, customer):
    response = leave(api_as(customer), ALICES | {"at_once": True})

    assert response.json()["errors"][0]["code"] == "unknown_field"


@pytest.mark.usefixtures("seeded_limits")
def test_delete_me_is_no_place_to_guess(api_as, customer):
    client = api_as(customer)

    answers = [leave(client, {"password": f"{n}"}).status_code for n in range(7)]

    assert answers == [422] * 5 + [429] * 2
