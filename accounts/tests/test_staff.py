"""What staff do to people and roles, and what nobody may."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.events import AccountLinkRequested
from accounts.models import AccountToken, ActivityEntry, Session
from accounts.selectors import permission_names
from accounts.tests.factories import make_user
from core.models import AuditEntry, OutboxEvent

USERS = "/api/v1/users"
ROLES = "/api/v1/roles"
GIVES_ROLES = ["accounts.change_user", "accounts.view_user"]


@pytest.fixture
def boss(db):
    return make_user(email="boss@example.com", roles=("admin",))


@pytest.fixture
def api(api_as, boss):
    return api_as(boss)


@pytest.fixture
def clerk(db):
    """Gives roles, but has little to give."""
    user = make_user(roles=("support",))
    user.user_permissions.add(*Permission.objects.filter(codename="change_user"))
    return user


def code(response):
    return response.status_code, response.json()["code"]


def put_roles(api, user, *roles):
    return api.put(f"{USERS}/{user.pk}/roles", {"roles": list(roles)})


def roles_of(user):
    return sorted(user.groups.values_list("name", flat=True))


def test_a_person_is_shown_to_staff(api, customer):
    shown = api.get(f"{USERS}/{customer.pk}").json()

    assert shown == {
        "id": str(customer.pk),
        "email": "alice@example.com",
        "email_verified": True,
        "name": "",
        "roles": [],
        "locale": "en",
        "timezone": "UTC",
        "created_at": customer.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "is_active": True,
        "is_staff": False,
        "is_superuser": False,
        "last_login_at": None,
    }


def test_people_are_found(api, boss):
    make_user(email="anna@example.com", name="Anna Smith", roles=("support",))
    make_user(email="berta@shop.example", name="Berta Schmidt", is_active=False)

    def found(**query):
        response = api.get(USERS, query)
        assert response.status_code == 200
        return {user["email"].split("@")[0] for user in response.json()["results"]}

    assert found() == {"anna", "berta", "boss"}
    assert found(q="SMITH") == {"anna"}
    assert found(q="shop.ex") == {"berta"}
    assert found(q="50%") == set()
    assert found(role="support") == {"anna"}
    assert found(is_active="false") == {"berta"}
    assert found(is_staff="true") == {"anna", "boss"}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [({"q": "a"}, "q"), ({"is_active": "no"}, "is_active"), ({"name": "x"}, None)],
)
def test_a_question_that_makes_no_sense_is_refused(api, query, parameter):
    response = api.get(USERS, query)

    assert response.status_code == 400
    assert response.json().get("parameter") == parameter


@pytest.mark.parametrize("path", [USERS, ROLES])
def test_a_list_costs_the_same_for_any_number_of_rows(api, path):
    def grow():
        make_user(roles=("support", "customer"))
        role = Group.objects.create(name=f"role {Group.objects.count()}")
        role.permissions.set(Permission.objects.all()[:3])

    def queries():
        with CaptureQueriesContext(connection) as found:
            assert api.get(path).status_code == 200
        return len(found)

    grow()
    one = queries()
    grow()
    grow()

    assert queries() == one


def test_an_unknown_person_is_not_found(api, boss):
    nobody = f"{USERS}/019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11"

    assert code(api.get(nobody)) == (404, "user_not_found")
    assert code(api.post(f"{nobody}/deactivate")) == (404, "user_not_found")
    assert code(api.put(f"{nobody}/roles", {"roles": []})) == (404, "user_not_found")


def test_a_closed_account_is_out_at_once_and_comes_back(api, api_as, boss):
    user = make_user()
    theirs = api_as(user)
    assert theirs.get("/api/v1/auth/me").status_code == 200

    closed = api.post(f"{USERS}/{user.pk}/deactivate")

    assert (closed.status_code, closed.json()["is_active"]) == (200, False)
    assert theirs.get("/api/v1/auth/me").status_code == 401
    assert Session.objects.get(user=user).end_reason == "deactivated"
    again = api.post(f"{USERS}/{user.pk}/deactivate")
    assert code(again) == (409, "already_deactivated")

    opened = api.post(f"{USERS}/{user.pk}/reactivate")
    assert opened.json()["is_active"] is True
    assert code(api.post(f"{USERS}/{user.pk}/reactivate")) == (409, "not_deactivated")
    actions = AuditEntry.objects.filter(subject_id=str(user.pk), actor_id=boss.pk)
    assert list(actions.order_by("id").values_list("action", flat=True)) == [
        "user_deactivated",
        "user_reactivated",
    ]
    kinds = ActivityEntry.objects.of(user.pk).order_by("at", "id")
    assert [e.kind for e in kinds] == ["session_ended", "deactivated", "reactivated"]


@pytest.mark.django_db
def test_staff_start_a_reset_and_see_nothing_of_it(api_as):
    clerk, user = make_user(roles=("support",)), make_user()

    response = api_as(clerk).post(f"{USERS}/{user.pk}/password-reset")

    assert (response.status_code, response.content) == (202, b"")
    link = AccountToken.objects.get(user=user)
    assert link.purpose == AccountToken.Purpose.RESET_PASSWORD
    # The mail asks for the link by this id; the clerk's answer has neither.
    event = OutboxEvent.objects.get(name=AccountLinkRequested.name)
    assert event.payload["token_id"] == str(link.pk)
    entry = AuditEntry.objects.get(action="password_reset_offered")
    assert entry.actor_id == clerk.pk


def test_a_reset_is_offered_neither_above_nor_to_the_closed(api_as, boss):
    clerk = api_as(make_user(roles=("support",)))
    closed = make_user(is_active=False)

    answers = [clerk.post(f"{USERS}/{u.pk}/password-reset") for u in (boss, closed)]

    assert [code(a) for a in answers] == [
        (403, "outranked"),
        (409, "already_deactivated"),
    ]


def test_who_was_erased_is_nobody_any_more(api):
    gone = make_user(is_active=False, erased_at=timezone.now())

    assert code(api.get(f"{USERS}/{gone.pk}")) == (404, "user_not_found")
    answer = api.post(f"{USERS}/{gone.pk}/reactivate")
    assert code(answer) == (404, "user_not_found")
    assert api.get(USERS, {"is_active": "false"}).json()["results"] == []


def test_roles_are_given_and_taken(api):
    user = make_user()

    response = put_roles(api, user, "support", "moderator")

    assert (response.status_code, response.json()["roles"]) == (
        200,
        ["moderator", "support"],
    )
    entry = ActivityEntry.objects.of(user.pk).get()
    assert (entry.kind, entry.details) == (
        "roles_changed",
        {"roles": ["moderator", "support"]},
    )
    assert code(put_roles(api, user, "king")) == (422, "unknown_role")
    assert put_roles(api, user).json()["roles"] == []


def test_sensitive_calls_ask_for_a_fresh_proof(api, boss):
    user = make_user()
    Session.objects.update(authenticated_at=timezone.now() - timedelta(days=1))

    answers = [
        put_roles(api, user, "support"),
        api.put(f"{ROLES}/support", {"permissions": []}),
        api.post("/api/v1/api-keys", {"name": "x", "scopes": ["orders.view_order"]}),
    ]

    assert [code(a) for a in answers] == [(403, "step_up_required")] * 3


def test_nobody_gives_a_role_that_may_more_than_he(api_as, clerk):
    user = make_user()

    refused = put_roles(api_as(clerk), user, "support", "warehouse")

    assert code(refused) == (403, "grants_too_much")
    assert "inventory.change_stock" in refused.json()["permissions"]
    assert roles_of(user) == ["customer"]
    assert put_roles(api_as(clerk), user, "support").status_code == 200


def test_nobody_acts_on_who_may_do_more(api_as, clerk, boss):
    keeper = make_user(roles=("warehouse",))
    closed = make_user(roles=("admin",), is_active=False)
    api = api_as(clerk)

    answers = [
        put_roles(api, keeper, "customer"),
        api.post(f"{USERS}/{keeper.pk}/deactivate"),
        api.post(f"{USERS}/{boss.pk}/deactivate"),
        api.post(f"{USERS}/{closed.pk}/reactivate"),
    ]

    assert [code(answer) for answer in answers] == [(403, "outranked")] * 4
    assert roles_of(keeper) == ["warehouse"]


def test_an_admin_does_not_act_on_a_superuser(api, boss):
    above = make_user(is_superuser=True)

    assert code(api.post(f"{USERS}/{above.pk}/deactivate")) == (403, "outranked")


def test_the_last_admin_stays(api, boss):
    make_user(roles=("admin",), is_active=False)

    answers = [
        put_roles(api, boss, "customer"),
        api.post(f"{USERS}/{boss.pk}/deactivate"),
    ]

    assert [code(answer) for answer in answers] == [(409, "last_admin")] * 2
    boss.refresh_from_db()
    assert boss.is_active
    assert roles_of(boss) == ["admin"]
    assert not ActivityEntry.objects.exists()

    make_user(roles=("admin",))
    assert put_roles(api, boss, "customer").status_code == 200


def test_roles_are_shown_with_what_they_may(api):
    roles = {role["name"]: role for role in api.get(ROLES).json()["results"]}

    assert set(roles) >= {"admin", "customer", "support"}
    assert roles["support"]["is_built_in"]
    assert "orders.view_order" in roles["support"]["permissions"]
    assert roles["admin"]["people"] == 1


def test_a_role_is_changed_for_all_who_have_it(api, api_as, boss):
    counter = make_user(roles=("moderator",))
    assert api_as(counter).get("/api/v1/stock").status_code == 403

    response = api.put(f"{ROLES}/moderator", {"permissions": ["inventory.view_stock"]})

    assert response.status_code == 200
    assert response.json()["permissions"] == ["inventory.view_stock"]
    assert api_as(counter).get("/api/v1/stock").status_code == 200
    entry = AuditEntry.objects.get(action="role_permissions_changed")
    assert entry.after == {"permissions": ["inventory.view_stock"]}
    assert entry.actor_id == boss.pk


def test_nobody_edits_a_role_beyond_what_he_has(api_as, clerk):
    clerk.user_permissions.add(*Permission.objects.filter(codename="change_group"))
    api = api_as(clerk)

    gives = api.put(f"{ROLES}/moderator", {"permissions": ["inventory.view_stock"]})
    takes = api.put(f"{ROLES}/warehouse", {"permissions": []})

    assert [code(a) for a in (gives, takes)] == [(403, "grants_too_much")] * 2
    assert "inventory.view_stock" in takes.json()["permissions"]


def test_a_role_has_permissions_that_exist(api):
    wish = {"permissions": ["orders.view_order", "orders.fly"]}

    refused = api.put(f"{ROLES}/support", wish)

    assert code(refused) == (422, "unknown_permission")
    assert [e["pointer"] for e in refused.json()["errors"]] == ["#/permissions/1"]
    assert code(api.put(f"{ROLES}/king", {"permissions": []})) == (
        404,
        "role_not_found",
    )


def test_the_role_admin_keeps_what_roles_are_given_with(api):
    kept = permission_names(Group.objects.get(name="admin").permissions.all())
    without = [name for name in kept if name != "auth.change_group"]

    refused = api.put(f"{ROLES}/admin", {"permissions": without})

    assert code(refused) == (409, "last_admin")
    assert refused.json()["permissions"] == ["auth.change_group"]
