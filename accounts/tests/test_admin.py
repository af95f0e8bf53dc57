from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission

from accounts.models import User
from accounts.tests.factories import make_user
from core.models import AuditEntry
from core.tests.administration import assert_cost_is_flat

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"


@pytest.fixture
def boss(client):
    client.force_login(make_user(roles=("admin",), is_superuser=True))
    return client


@pytest.fixture
def manager(client):
    """Has the role admin, but isn't a superuser."""
    client.force_login(make_user(roles=("admin",)))
    return client


def groups(*names):
    return [
        str(pk)
        for pk in Group.objects.filter(name__in=names).values_list("pk", flat=True)
    ]


def edit(client, user, **changes):
    form = {
        "email": user.email,
        "name": user.name,
        "locale": "en",
        "timezone": "UTC",
        "is_active": "on",
        "groups": groups("customer"),
    }
    return client.post(f"{USERS}{user.pk}/change/", form | changes)


def make_group():
    group = Group.objects.create(name=str(uuid4()))
    group.permissions.set(Permission.objects.all()[:3])
    group.user_set.add(make_user())


@pytest.mark.parametrize(
    ("address", "make_row"),
    [
        (USERS, lambda: make_user(roles=("support", "customer"))),
        ("/admin/auth/group/", make_group),
    ],
)
def test_a_list_costs_the_same_for_any_number_of_rows(boss, address, make_row):
    assert_cost_is_flat(boss, address, make_row)


def test_people_are_found_by_address_and_role(boss):
    make_user(email="anna@example.com", roles=("support",))
    make_user(email="berta@example.com", roles=("customer",))
    [support] = groups("support")

    for query in ("?q=ANNA", f"?groups__id__exact={support}"):
        page = boss.get(USERS + query).text
        assert "anna@example.com" in page
        assert "berta@example.com" not in page


def test_a_change_of_roles_opens_and_closes_the_administration(boss):
    user = make_user()

    edit(boss, user, groups=groups("support"))
    user.refresh_from_db()
    assert user.is_staff
    entry = AuditEntry.objects.filter(subject_id=str(user.pk)).latest("id")
    assert entry.after == {"roles": ["support"]}
    assert str(entry.actor_id) == boss.session["_auth_user_id"]

    edit(boss, user, groups=groups("customer"))
    user.refresh_from_db()
    assert not user.is_staff


def test_nobody_deletes_people(boss):
    assert boss.post(f"{USERS}{make_user().pk}/delete/").status_code == 403


@pytest.mark.parametrize(
    ("role", "status"), [("support", 200), ("warehouse", 403), ("catalog_manager", 403)]
)
def test_a_role_sees_people_only_with_the_permission(client, role, status):
    client.force_login(make_user(roles=(role,)))

    assert client.get(USERS).status_code == status


def test_a_built_in_role_keeps_its_name_and_stays(boss):
    role = Group.objects.get(name="support")
    address = f"/admin/auth/group/{role.pk}"

    changed = boss.post(f"{address}/change/", {"name": "other", "permissions": []})
    deleted = boss.post(f"{address}/delete/", {"post": "yes"})

    assert (changed.status_code, deleted.status_code) == (302, 403)
    role.refresh_from_db()
    assert role.name == "support"
    entry = AuditEntry.objects.get(action="role_permissions_changed")
    assert "orders.view_order" in entry.before["permissions"]
    assert entry.after == {"permissions": []}


def test_a_role_of_the_shops_own_is_deleted(boss):
    role = Group.objects.create(name="florist")

    boss.post(f"/admin/auth/group/{role.pk}/delete/", {"post": "yes"})

    assert not Group.objects.filter(name="florist").exists()


def test_a_new_person_has_the_given_roles_and_no_password(boss):
    body = {"email": "New@Example.com", "name": "New", "groups": groups("warehouse")}

    response = boss.post(f"{USERS}add/", body)

    assert response.status_code == 302
    user = User.objects.get(email="new@example.com")
    assert user.is_staff
    assert not user.has_usable_password()


def test_an_address_that_is_taken_in_other_case_is_refused(boss):
    make_user(email="anna@example.com")
    body = {"email": "ANNA@example.com", "name": "", "groups": groups("customer")}

    response = boss.post(f"{USERS}add/", body)

    assert response.status_code == 200
    assert "already exists" in response.text


def test_staff_set_neither_a_password_nor_the_address_that_gets_one(boss):
    user = make_user()

    page = boss.get(f"{USERS}{user.pk}/change/").text
    edit(boss, user, email="mine@example.com", password="x" * 20, name="New name")

    assert user.password not in page
    assert 'name="password' not in page
    assert boss.get(f"{USERS}{user.pk}/password/").status_code in {302, 404}
    after = User.objects.get(pk=user.pk)
    assert (after.name, after.email) == ("New name", user.email)
    assert after.password == user.password


def test_nobody_edits_who_may_do_more(manager):
    user, above = make_user(), make_user(is_superuser=True)

    edit(manager, user, is_superuser="on")
    refused = edit(manager, above, name="mine")

    user.refresh_from_db()
    assert not user.is_superuser
    assert refused.status_code == 403


def test_accounts_are_closed_and_opened_from_the_list(boss):
    user = make_user()
    chosen = {"_selected_action": [str(user.pk)]}

    for action, is_active in (("deactivate", False), ("reactivate", True)):
        boss.post(USERS, chosen | {"action": action})
        user.refresh_from_db()
        assert user.is_active is is_active


def test_the_last_admin_stays_one_in_the_admin_too(client):
    last = make_user(roles=("admin",))
    client.force_login(last)

    response = edit(client, last, groups=groups("customer"))

    assert response.status_code in {200, 302}
    assert [group.name for group in last.groups.all()] == ["admin"]


def test_a_new_role_has_its_permissions_and_its_line_in_the_audit_log(boss):
    [view] = Permission.objects.filter(codename="view_stock")

    boss.post("/admin/auth/group/add/", {"name": "counter", "permissions": [view.pk]})

    role = Group.objects.get(name="counter")
    assert list(role.permissions.all()) == [view]
    entry = AuditEntry.objects.get(action="role_created")
    assert entry.after == {"name": "counter", "permissions": ["inventory.view_stock"]}
