import pytest
from django.urls import reverse

from core.models import AddressBlock, AuditEntry, RateLimitPolicy, RouteWeight
from core.protection import services

POLICY = {
    "name": "minute",
    "role": "any",
    "per": "principal",
    "method": "",
    "path": "*",
    "quota": "10",
    "window_seconds": "60",
    "burst": "",
    "is_enforced": "on",
}


@pytest.fixture
def boss(client, staff):
    RateLimitPolicy.objects.all().delete()
    user = staff("admin")
    client.force_login(user)
    client.user = user
    return client


def post(client, action, model, form, pk=None):
    arguments = () if pk is None else (pk,)
    return client.post(reverse(f"admin:core_{model}_{action}", args=arguments), form)


def errors(response):
    return response.context["adminform"].form.errors


def test_an_administrator_makes_changes_and_deletes_a_limit(boss):
    assert post(boss, "add", "ratelimitpolicy", POLICY).status_code == 302
    policy = RateLimitPolicy.objects.get()
    changed = POLICY | {"quota": "20"}
    assert (
        post(boss, "change", "ratelimitpolicy", changed, policy.pk).status_code == 302
    )
    form = {"post": "yes"}
    assert post(boss, "delete", "ratelimitpolicy", form, policy.pk).status_code == 302

    added, edited, deleted = AuditEntry.objects.order_by("id")
    assert added.action == "core.ratelimitpolicy_added"
    assert (added.before, added.after["quota"]) == ({}, 10)
    assert edited.action == "core.ratelimitpolicy_changed"
    assert (edited.before, edited.after) == ({"quota": 10}, {"quota": 20})
    assert deleted.action == "core.ratelimitpolicy_deleted"
    assert deleted.before["quota"] == 20
    assert {entry.actor_id for entry in (added, edited, deleted)} == {boss.user.pk}
    assert not RateLimitPolicy.objects.exists()


def test_deleting_several_at_once_is_audited_one_by_one(boss):
    rows = [
        RouteWeight.objects.create(method="GET", path=f"/api/v1/{n}", cost=2)
        for n in range(2)
    ]
    form = {
        "action": "delete_selected",
        "_selected_action": [str(row.pk) for row in rows],
        "post": "yes",
    }

    boss.post(reverse("admin:core_routeweight_changelist"), form)

    entries = AuditEntry.objects.filter(action="core.routeweight_deleted")
    assert {e.subject_id for e in entries} == {str(row.pk) for row in rows}


def test_saving_without_a_change_leaves_no_trace(boss):
    policy = RateLimitPolicy.objects.create(name="x", quota=1, window_seconds=1)

    services.save_rule(policy, actor_id=None)

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"quota": "0"}, "quota"),
        ({"window_seconds": "0"}, "window_seconds"),
        ({"burst": "0"}, "burst"),
        ({"name": 'a"b'}, "name"),
        ({"name": "Ä"}, "name"),
        ({"path": "api/v1"}, "path"),
        ({"path": "/a*b"}, "path"),
        ({"path": "/a b"}, "path"),
        ({"method": "TRACE"}, "method"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(boss, fields, name):
    response = post(boss, "add", "ratelimitpolicy", POLICY | fields)

    assert set(errors(response)) == {name}


@pytest.mark.parametrize(
    ("first", "second", "is_taken"),
    [
        ("any", "staff", True),
        ("staff", "any", True),
        ("staff", "customer", False),
    ],
)
def test_two_limits_of_one_name_never_hold_for_one_request(
    boss, first, second, is_taken
):
    RateLimitPolicy.objects.create(name="minute", role=first, quota=1, window_seconds=1)

    response = post(boss, "add", "ratelimitpolicy", POLICY | {"role": second})

    assert (response.status_code == 200) is is_taken


@pytest.mark.parametrize(
    ("network", "stored"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.9/24", "203.0.113.0/24"),
        ("2001:db8::5/64", "2001:db8::/64"),
    ],
)
def test_an_address_is_blocked_by_hand(boss, network, stored):
    form = {"network": network, "reason": "Scraping"}

    assert post(boss, "add", "addressblock", form).status_code == 302

    block = AddressBlock.objects.get()
    assert (block.network, block.source, block.ends_at) == (stored, "hand", None)
    assert AuditEntry.objects.get().after["reason"] == "Scraping"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"network": "nonsense"}, "network"),
        ({"network": "127.0.0.0/8"}, "network"),
        ({"network": "0.0.0.0/0"}, "network"),
        ({"ends_at_0": "2020-01-01", "ends_at_1": "00:00"}, "ends_at"),
    ],
)
def test_a_block_that_would_shut_out_its_maker_or_nobody_is_refused(boss, fields, name):
    form = {"network": "203.0.113.7", "reason": "x"} | fields

    assert set(errors(post(boss, "add", "addressblock", form))) == {name}


@pytest.mark.parametrize("role", ["support", "catalog_manager", "warehouse"])
def test_other_roles_see_none_of_it(client, staff, role):
    client.force_login(staff(role))

    for model in ("ratelimitpolicy", "routeweight", "addressblock"):
        address = reverse(f"admin:core_{model}_changelist")
        assert client.get(address).status_code == 403
