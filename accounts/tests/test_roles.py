import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from accounts.constants import Role
from accounts.exceptions import UnknownRoleError
from accounts.services import assign_roles
from accounts.tests.factories import make_user, seed_roles
from core.models import AuditEntry

pytestmark = pytest.mark.django_db
ACTIONS = {"view", "add", "change", "delete"}
SHOP = ("accounts", "auth", "catalog", "inventory", "orders")


def granted(role, app_label):
    permissions = Permission.objects.filter(
        group__name=role, content_type__app_label=app_label
    )
    return {
        codename.split("_")[0]
        for codename in permissions.values_list("codename", flat=True)
    }


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("customer", {}),
        ("support", {"orders": {"view", "change"}, "accounts": {"view"}}),
        ("catalog_manager", {"catalog": ACTIONS}),
        ("warehouse", {"inventory": {"view", "change", "add"}, "catalog": {"view"}}),
        ("moderator", {"catalog": {"view"}}),
        (
            "admin",
            dict.fromkeys(SHOP, ACTIONS)
            # Limits and blocked addresses are the only rows of core that people make.
            | {"core": ACTIONS, "notifications": {"view", "change"}},
        ),
    ],
)
def test_the_migration_grants_each_role_what_it_needs(role, expected):
    seed_roles()
    apps = (
        "accounts",
        "auth",
        "catalog",
        "core",
        "inventory",
        "notifications",
        "orders",
    )

    assert {app: granted(role, app) for app in apps} == {
        app: expected.get(app, set()) for app in apps
    }


def test_seed_roles_changes_nothing_the_second_time():
    seed_roles()
    before = sorted(
        Group.permissions.through.objects.values_list("group", "permission")
    )
    permissions = Permission.objects.count()

    seed_roles()
    # What Django does after every migration finds the migration's rows and adds none.
    call_command("migrate", verbosity=0)

    assert Permission.objects.count() == permissions
    after = sorted(Group.permissions.through.objects.values_list("group", "permission"))
    assert after == before


def test_roles_are_groups_one_for_each():
    seed_roles()

    assert set(Group.objects.values_list("name", flat=True)) == set(Role)


def test_assign_roles_replaces_the_roles_and_opens_the_administration():
    user = make_user()

    assign_roles(user_id=user.pk, roles=["support", "warehouse"])

    user.refresh_from_db()
    assert {group.name for group in user.groups.all()} == {"support", "warehouse"}
    assert user.is_staff
    assert user.has_perm("orders.change_order")
    assert not user.has_perm("catalog.add_product")


def test_assign_roles_writes_down_who_changed_them():
    user, boss = make_user(), make_user()

    for _ in range(2):
        assign_roles(user_id=user.pk, roles=["support"], actor_id=boss.pk)

    entries = AuditEntry.objects.filter(subject_id=str(user.pk), actor_id=boss.pk)
    assert [(entry.before, entry.after) for entry in entries] == [
        ({"roles": ["customer"]}, {"roles": ["support"]})
    ]


def test_assign_roles_closes_the_administration_to_a_mere_customer():
    user = make_user(roles=("support",))

    assign_roles(user_id=user.pk, roles=["customer"])

    user.refresh_from_db()
    assert not user.is_staff


def test_assign_roles_refuses_an_unknown_one_and_changes_nothing():
    user = make_user(roles=("support",))

    with pytest.raises(UnknownRoleError) as error:
        assign_roles(user_id=user.pk, roles=["customer", "king"])

    assert error.value.extensions == {"unknown": ["king"]}
    assert [group.name for group in user.groups.all()] == ["support"]
