import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.local_keys import kept_keys
from core.encryption import keys


def test_keys_are_kept_for_their_owner_alone(tmp_path, settings):
    made = kept_keys(tmp_path / "var")

    path = tmp_path / "var" / "encryption.keys"
    assert kept_keys(tmp_path / "var") == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings.FIELD_ENCRYPTION_KEYS = made
    assert len(keys()) == 1


def test_processes_that_start_together_get_the_same_keys(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        made = {*pool.map(kept_keys, [tmp_path] * 16)}

    assert len(made) == 1


def test_new_keys_have_new_ids(tmp_path):
    first, second = kept_keys(tmp_path / "a"), kept_keys(tmp_path / "b")

    assert first.partition(":")[0] != second.partition(":")[0]


def test_unreadable_keys_stop_the_start(tmp_path):
    (tmp_path / "encryption.keys").mkdir()

    with pytest.raises(ImproperlyConfigured, match=r"encryption.keys: Is a directory"):
        kept_keys(tmp_path)
