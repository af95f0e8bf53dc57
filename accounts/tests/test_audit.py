"""What changes people, roles, keys and rules is written down, whoever changes it how."""

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import assign_roles
from accounts.tests.factories import make_user
from core import audit
from core.administration import ModelAdmin
from core.models import AuditEntry, Switch
from core.protection.services import set_switch
from core.request_ids import enter_request, leave_request

pytestmark = pytest.mark.django_db


def settle():
    """Have the triggers fire that wait for the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@pytest.fixture
def user():
    made = make_user(email="watched@example.com")
    settle()
    # A transaction of its own, as far as the triggers can tell.
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM core_auditentry")
        cursor.execute("SET session_replication_role = origin")
    return made


def entries():
    settle()
    rows = AuditEntry.objects.order_by("created_at", "pk")
    return [(row.action, row.before, row.after) for row in rows]


def test_a_change_by_plain_sql_is_written_down(user):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_user SET is_superuser = true WHERE id = %s", [user.pk]
        )

    assert entries() == [
        ("row_update", {"is_superuser": False}, {"is_superuser": True})
    ]
    entry = AuditEntry.objects.get()
    assert (entry.subject_type, entry.subject_id) == ("accounts.user", str(user.pk))
    assert entry.pk.version == 7


def test_personal_values_are_masked(user):
    User.objects.filter(pk=user.pk).update(email="new@example.com", name="New")

    masked = {"email": "(masked)"}
    assert entries() == [("row_update", masked, masked)]


def test_what_is_no_matter_of_rights_is_left_out(user):
    User.objects.filter(pk=user.pk).update(last_login=timezone.now(), locale="de")
    user.save()

    assert entries() == []


def test_what_a_service_has_said_is_not_said_again(user):
    assign_roles(user_id=user.pk, roles=["support"])

    (said,) = [entry for entry in entries() if entry[0] == "roles_assigned"]
    assert said[2] == {"roles": ["support"]}
    # What the entry does not name is added: the roles open the administration.
    assert [entry for entry in entries() if entry != said] == [
        ("row_update", {"is_staff": False}, {"is_staff": True})
    ]


def test_a_rule_that_a_service_made_has_one_entry(user):
    set_switch(name="breakers", mode="off", actor_id=user.pk)

    assert [action for action, _, _ in entries()] == ["core.switch_added"]


@pytest.mark.parametrize(
    ("change", "action"),
    [
        (lambda user: Switch.objects.create(name="breakers", mode="off"), "row_insert"),
        (lambda user: user.groups.add(Group.objects.get(name="admin")), "row_insert"),
        (lambda user: Group.objects.create(name="new"), "row_insert"),
        (
            lambda user: Group.objects.get(name="support").permissions.add(
                Permission.objects.get(codename="delete_user")
            ),
            "row_insert",
        ),
        (
            lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
            "row_update",
        ),
        (lambda user: user.groups.clear(), "row_delete"),
    ],
)
def test_no_way_round_the_services_is_silent(user, change, action):
    change(user)

    assert [name for name, _, _ in entries()] == [action]


def test_the_entry_knows_who_and_in_which_request(user):
    actor = make_user()
    token = enter_request("request-of-the-admin")

    with transaction.atomic():
        audit.act_as(actor.pk)
        User.objects.filter(pk=user.pk).update(is_staff=True)
        settle()

    leave_request(token)
    entry = AuditEntry.objects.get(subject_id=str(user.pk))
    assert (entry.actor_id, entry.request_id) == (actor.pk, "request-of-the-admin")


def test_a_customer_who_registers_is_no_matter_of_rights():
    make_user(email="customer@example.com")
    settle()

    kinds = {*AuditEntry.objects.values_list("action", flat=True)}
    assert kinds <= {"roles_assigned"}


def test_a_member_of_staff_who_is_added_is():
    User.objects.create_user("staff@example.com", is_staff=True)
    settle()

    entry = AuditEntry.objects.get(action="row_insert")
    assert entry.after["is_staff"] is True
    assert entry.after["email"] == "(masked)"


def test_the_administration_says_who_saved_and_deleted(user, rf):
    request = rf.post("/")
    request.user = user
    page = ModelAdmin(Switch, AdminSite())
    switch = Switch(name="breakers", mode="off")

    page.save_model(request, switch, None, False)  # noqa: FBT003 -- Django's signature
    settle()
    page.delete_model(request, switch)
    settle()

    rows = AuditEntry.objects.filter(subject_type="core.switch")
    assert {*rows.values_list("action", "actor_id")} == {
        ("row_insert", user.pk),
        ("row_delete", user.pk),
    }
