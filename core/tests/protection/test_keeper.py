from django.apps import apps

from core.protection.keeper import Keeper


def test_no_chores_are_done_while_apps_are_loaded(monkeypatch, settings):
    """They read tables, and a module may ask for the keeper when it is imported."""
    settings.PROTECTION_REFRESH_SECONDS = 1.0
    monkeypatch.setattr(apps, "ready", False)

    assert Keeper().wake() is False
