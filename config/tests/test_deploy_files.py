"""What can't be run here is read: the files that other machines run the shop from."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from config import install, processes

ROOT = Path(__file__).resolve().parents[2]
# Set by the platform, by tools, or by ourselves for our own children.
NOT_FOR_PEOPLE = {"PYTEST_XDIST_WORKER", "UV_CACHE_DIR", "XDG_CACHE_HOME"}
READERS = {"env_str", "env_bool", "env_int", "env_list", "env_choice", "env_secret"}
FOR_COMPOSE_ALONE = {"POSTGRES_PASSWORD"}


def load(path):
    return yaml.safe_load((ROOT / path).read_text())


@pytest.fixture(scope="module")
def compose():
    return load("docker-compose.yml")


def variables_read():
    """Find every variable that code outside the tests reads, by the first argument of the readers' calls."""
    names = set()
    packages = [path.parent for path in ROOT.glob("*/__init__.py")]
    for path in (module for package in packages for module in package.rglob("*.py")):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name(id=reader), args=[ast.Constant(value=str(name)), *_]
                ) if reader in READERS:
                    names.add(name)
                case ast.Call(
                    func=ast.Attribute(
                        value=ast.Attribute(attr="environ"), attr="get" | "setdefault"
                    ),
                    args=[ast.Constant(value=str(name)), *_],
                ):
                    names.add(name)
    return names - NOT_FOR_PEOPLE


def variables_explained():
    """Map each variable of .env.example to the comment above it."""
    explained, comment = {}, []
    for line in (ROOT / ".env.example").read_text().splitlines():
        if assignment := re.fullmatch(r"#?([A-Z][A-Z0-9_]*)=.*", line):
            explained[assignment[1]] = " ".join(comment)
        elif line.startswith("# "):
            comment.append(line[2:])
        else:
            comment = []
    return explained


def test_env_example_explains_each_variable_that_is_read_and_no_other():
    explained = variables_explained()

    assert set(explained) - FOR_COMPOSE_ALONE == variables_read()
    assert [name for name, comment in explained.items() if len(comment) < 15] == []


def test_env_example_sets_nothing_by_itself():
    lines = (ROOT / ".env.example").read_text().splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == []


def test_compose_runs_every_process_and_server(compose):
    assert set(compose["services"]) == {
        "postgres",
        "valkey",
        "migrate",
        "web",
        "sockets",
        "worker",
        "beat",
    }
    assert compose["services"]["postgres"]["image"] == "postgres:18"
    assert compose["services"]["valkey"]["image"].startswith("valkey/valkey:")


@pytest.mark.parametrize("name", ["web", "sockets", "worker", "beat"])
def test_compose_starts_each_process_as_the_laptop_does(compose, name):
    service = compose["services"][name]
    module = f"python -m {processes.__name__} {name}"

    assert service["command"].startswith(module)
    assert processes.command(name, "0.0.0.0", 8000)  # noqa: S104 -- inside a container
    assert service["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "valkey": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


def test_compose_opens_ports_on_this_machine_only(compose):
    ports = [
        port
        for service in compose["services"].values()
        for port in service.get("ports", [])
    ]

    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_compose_keeps_what_must_last_and_never_drops_a_task(compose):
    services = compose["services"]

    assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert services["valkey"]["volumes"] == ["valkey:/data"]
    assert "--maxmemory-policy noeviction" in services["valkey"]["command"]
    assert set(compose["volumes"]) == {"postgres", "valkey", "files"}


def test_compose_checks_the_health_of_all_that_others_wait_for(compose):
    services = compose["services"]

    assert all(
        services[name]["healthcheck"]["test"]
        for name in ("postgres", "valkey", "sockets")
    )


def test_dockerfile_ends_as_an_ordinary_user_with_a_health_check():
    words = [
        line.split()
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.strip()
    ]
    stages = [line for line in words if line[0] == "FROM"]
    last = words[words.index(stages[-1]) :]
    users = [line[1] for line in last if line[0] == "USER"]

    assert len(stages) == 2
    assert users == ["shop"]
    assert [line for line in last if line[0] == "HEALTHCHECK"]
    assert last[-1][:4] == ["CMD", '["python",', '"-m",', f'"{processes.__name__}",']


def test_dockerfile_and_install_use_one_version_of_uv():
    assert re.findall(r"uv==[\d.]+", (ROOT / "Dockerfile").read_text()) == [install.UV]


def test_ci_runs_make_ci_on_the_oldest_and_a_new_python():
    job = load(".github/workflows/ci.yml")["jobs"]["ci"]

    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert job["steps"][-1] == {"run": "make ci"}


def test_ci_script_is_make_ci():
    script = ROOT / ".ci" / "run"

    assert script.stat().st_mode & 0o111
    assert script.read_text().splitlines()[-1] == "exec make ci"


def test_ci_contains_each_check():
    printed = subprocess.run(
        ["make", "--dry-run", "ci"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    commands = (
        "-m pytest",
        "ruff check .",
        "ruff format --check .",
        "mypy",
        "lint-imports",
        "check --deploy --fail-level WARNING",
        "makemigrations --check",
        "codespell",
    )

    assert [command for command in commands if command not in printed.stdout] == []


def test_help_names_every_target():
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    expected = "run test ci lint fmt types arch check migrations seed bench clean lock"

    assert set(expected.split()) <= {line.split()[1] for line in shown.splitlines()}


def test_pre_commit_runs_the_linters_of_the_lock():
    hooks = [
        hook
        for repo in load(".pre-commit-config.yaml")["repos"]
        for hook in repo["hooks"]
    ]

    assert {
        "ruff-check",
        "ruff-format",
        "codespell",
        "django-upgrade",
        "detect-private-key",
    } <= {hook["id"] for hook in hooks}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_has_hashes(name):
    content = (ROOT / name).read_text().replace("\\\n", "")
    pins = [
        line
        for line in content.splitlines()
        if line and not line.lstrip().startswith("#")
    ]

    assert len(pins) > 50
    assert [
        pin.split()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin
    ] == []


def test_supported_python_is_said_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["requires-python"] == ">=" + ".".join(
        map(str, install.OLDEST_PYTHON)
    )


@pytest.mark.parametrize("module", ["wsgi", "asgi", "celery"])
def test_a_server_without_settings_is_production(module):
    told = f"import config.{module}; from django.conf import settings; settings.DEBUG"
    kept = ("PATH", "HOME", "LANG")

    finished = subprocess.run(
        [sys.executable, "-c", told],
        cwd=ROOT,
        env={name: os.environ[name] for name in kept if name in os.environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert finished.returncode == 1
    assert "DATABASE_URL must be set in production." in finished.stderr


def test_every_module_that_the_makefile_runs_is_there():
    ours = re.findall(
        r"-m ((?:benchmarks|config)[\w.]*)", (ROOT / "Makefile").read_text()
    )

    assert "benchmarks.shop" in ours
    for name in ours:
        found = find_spec(name)
        assert found is not None, name
        is_package = found.submodule_search_locations is not None
        assert not is_package or find_spec(f"{name}.__main__"), name
