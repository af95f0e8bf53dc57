"""What holds for every page of the administration."""

import pytest
from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.urls import reverse

from accounts.tests.factories import make_user

# There is no other way to list them.
ADMINS = list(admin.site._registry.items())  # noqa: SLF001 -- as said


def name_of(model):
    options = admin.site.get_model_admin(model).opts
    return f"{options.app_label}_{options.model_name}"


def on_djangos_own(cls):
    """Rebuild a class of the administration without unfold."""
    bases = tuple(
        base
        for base in cls.__mro__[1:]
        if base.__module__.startswith("django.") and issubclass(base, BaseModelAdmin)
    )[:1]
    members = {}
    for ours in reversed(cls.__mro__):
        if not ours.__module__.startswith(("unfold", "django", "builtins")):
            members |= {k: v for k, v in vars(ours).items() if not k.startswith("__")}
    return type(cls.__name__, bases, members)


@pytest.fixture
def boss(client, db):
    client.force_login(make_user(roles=("admin",), is_superuser=True))
    return client


@pytest.mark.parametrize(("model", "model_admin"), ADMINS, ids=str)
def test_every_admin_is_valid_on_djangos_own_too(model, model_admin):
    site = admin.AdminSite("plain")
    for other, other_admin in ADMINS:
        plain = on_djangos_own(type(other_admin))
        plain.inlines = [on_djangos_own(inline) for inline in other_admin.inlines]
        site.register(other, plain)

    plain_admin = site.get_model_admin(model)
    assert type(plain_admin).__mro__[1].__module__.startswith("django.")
    assert plain_admin.check() == []


@pytest.mark.parametrize("model", [model for model, _ in ADMINS], ids=name_of)
def test_every_list_and_search_opens_when_there_is_nothing(boss, model):
    address = reverse(f"admin:{name_of(model)}_changelist")

    for query in (
        "",
        "?q=nothing",
        "?q=%20",
        "?q=019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11",
    ):
        assert boss.get(address + query).status_code == 200


@pytest.mark.parametrize(("model", "model_admin"), ADMINS, ids=str)
def test_every_form_to_add_opens(boss, rf, model, model_admin):
    request = rf.get("/")
    request.user = make_user(roles=("admin",), is_superuser=True)
    expected = 200 if model_admin.has_add_permission(request) else 403

    response = boss.get(reverse(f"admin:{name_of(model)}_add"))

    assert response.status_code == expected


def test_the_administration_asks_strangers_to_sign_in(client, db):
    assert client.get("/admin/").status_code == 302
    client.force_login(make_user())
    assert client.get("/admin/").status_code == 302
