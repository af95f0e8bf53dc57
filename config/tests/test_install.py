import pytest

from config.install import Environment, cache_options


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "requirements.txt").write_text("django==5.2 --hash=sha256:0\n")
    (tmp_path / "requirements-dev.txt").write_text("pytest==9.2 --hash=sha256:0\n")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return Environment(tmp_path / ".venv", tmp_path)


def test_environment_without_stamp_is_not_ready(environment):
    assert not environment.is_ready(dev=False)


def test_environment_without_python_is_not_ready(environment):
    environment.stamp.write_text(environment.fingerprint(dev=False))
    environment.python.unlink()

    assert not environment.is_ready(dev=False)


def test_environment_of_the_shop_does_not_serve_its_tests(environment):
    environment.stamp.write_text(environment.fingerprint(dev=False))

    assert environment.is_ready(dev=False)
    assert not environment.is_ready(dev=True)


def test_environment_of_the_tests_serves_the_shop(environment):
    environment.stamp.write_text(environment.fingerprint(dev=True))

    assert environment.is_ready(dev=False)
    assert environment.is_ready(dev=True)


@pytest.mark.parametrize("dev", [True, False])
def test_environment_of_another_lock_is_not_ready(environment, dev):
    environment.stamp.write_text(environment.fingerprint(dev=dev))
    environment.lock(dev=dev).write_text("django==5.3 --hash=sha256:1\n")

    assert not environment.is_ready(dev=dev)


def test_linked_environment_is_left_as_it_is(environment, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    environment.folder.rename(elsewhere)
    environment.folder.symlink_to(elsewhere)

    assert environment.is_ready(dev=True)


def test_a_home_that_cannot_be_written_gets_no_cache(monkeypatch, tmp_path):
    for name in ("UV_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_options() == ()

    monkeypatch.setenv("HOME", "/dev/null")
    assert cache_options() == ("--no-cache",)
