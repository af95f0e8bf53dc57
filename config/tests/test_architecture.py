"""Rules of the house that no linter can say, kept as tests so that nobody must remember."""

import ast
import re
from pathlib import Path

import pytest
from django.urls import get_resolver
from rest_framework import serializers

from catalog.serializers._writing import EntriesField, ScalarField
from core.serializers import BoundedDictField, BoundedJSONField, StrictSerializer

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "catalog", "inventory", "orders", "notifications")
PACKAGES = (*APPS, "core", "config")
ORM_WRITES = {
    "abulk_create",
    "acreate",
    "bulk_create",
    "bulk_update",
    "create",
    "delete",
    "get_or_create",
    "save",
    "select_for_update",
    "update",
    "update_or_create",
}
# What opens a connection to elsewhere. Only these modules do.
NETWORK = {
    "aiohttp",
    "ftplib",
    "http.client",
    "httpcore2",
    "httpx",
    "httpx2",
    "niquests",
    "requests",
    "smtplib",
    "socket",
    "urllib.request",
    "urllib3",
}
CALLS = {"create_connection", "open_connection", "open_unix_connection", "urlopen"}
OUTGOING = {
    "config/chaos.py": "reaches the shop's own servers to spoil them",
    "config/doctor.py": "looks whether the shop's own ports answer",
    "config/embedded/servers.py": "looks for free ports",
    "config/embedded/valkey.py": "asks the shop's own Valkey whether it is up",
    "config/running.py": "asks the shop's own web server whether it is up",
    "core/guarded_network.py": "the network of the one client",
    "core/protection/addresses.py": "reads addresses with C's inet_pton; connects to nobody",
    "core/protection/fault_proxy.py": "stands between the shop and its servers in drills",
    "core/http_client.py": "the one client for everybody else's services",
    "core/protection/judging.py": "names the errors of Django's mail backend, which sends",
    "orders/payments/simulator.py": "listens; it plays the provider",
}


def modules(*, name=None, packages=PACKAGES):
    """Find the modules of our own, or those of one layer: ``views.py``, ``views/…``."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).parts
            if {"tests", "migrations"} & set(parts):
                continue
            if name is None or name in parts or f"{name}.py" == parts[-1]:
                yield pytest.param(path, id="/".join(parts))


def each(name=None, packages=PACKAGES):
    return pytest.mark.parametrize("path", [*modules(name=name, packages=packages)])


def tree(path):
    return ast.parse(path.read_text())


def imports(path):
    """Name everything that a module imports, wherever in it that stands."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def method_calls(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func


def is_service(owner):
    return isinstance(owner, ast.Name) and owner.id.endswith("services")


@each("views", APPS)
def test_views_write_nothing(path):
    writes = {
        f"line {call.lineno}: .{call.attr}()"
        for call in method_calls(path)
        if call.attr in ORM_WRITES and not is_service(call.value)
    }

    assert writes == set()


@pytest.mark.parametrize(
    "path",
    [
        p
        for layer in ("views", "serializers", "tasks", "handlers")
        for p in modules(name=layer, packages=APPS)
    ],
)
def test_only_services_open_transactions(path):
    assert [name for name in imports(path) if name == "django.db.transaction"] == []


@each("views", APPS)
def test_views_leave_domain_errors_to_the_handler(path):
    domain = {
        alias.asname or alias.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").endswith(("exceptions", "core.errors", "conditional"))
        for alias in node.names
    }
    caught = {
        name.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        for name in ast.walk(node.type or ast.Name("Exception"))
        if isinstance(name, ast.Name)
    }

    assert caught & (domain | {"Exception", "BaseException", "DomainError"}) == set()


@each("serializers", APPS)
def test_serializers_shape_and_do_not_act(path):
    acts = {
        f"line {call.lineno}: .{call.attr}()"
        for call in method_calls(path)
        if call.attr in ORM_WRITES
    }
    overrides = {
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
        and node.name in {"create", "update", "save"}
    }

    assert (acts, overrides) == (set(), set())
    assert [name for name in imports(path) if name.endswith("services")] == []


@each()
def test_nobody_uses_signals(path):
    banned = [
        name
        for name in imports(path)
        if name.startswith(("django.dispatch", "django.db.models.signals"))
    ]

    assert banned == []


@each("services", APPS)
def test_services_start_work_by_publishing(path):
    assert [n for n in imports(path) if n.split(".")[-1] == "tasks"] == []
    assert [n for n in imports(path) if n.startswith("celery")] == []


@each("services", APPS)
def test_services_know_no_http(path):
    banned = [
        name
        for name in imports(path)
        if name.startswith(("rest_framework", "django.http"))
    ]

    assert banned == []


@each()
def test_only_the_client_calls_out(path):
    if path.relative_to(ROOT).as_posix() in OUTGOING:
        pytest.skip("allowed, with its reason")

    # Django has connections.create_connection, to its databases.
    calls = {
        call.attr
        for call in method_calls(path)
        if call.attr in CALLS
        and not (isinstance(call.value, ast.Name) and call.value.id == "connections")
    }
    assert (NETWORK & set(imports(path)), calls) == (set(), set())


@each()
def test_only_one_module_makes_problem_documents(path):
    if path.relative_to(ROOT).as_posix() != "core/problems.py":
        assert "application/problem+json" not in path.read_text()


@each(packages=(*PACKAGES, "benchmarks"))
def test_an_exception_for_a_linter_has_its_reason(path):
    """``# noqa: CODE -- why`` and ``# type: ignore[code]  # why``."""
    comments = re.findall(r"#\s*(?:noqa|type: ignore).*", path.read_text())

    unexplained = [
        comment
        for comment in comments
        if not re.match(r"# noqa: [A-Z0-9, ]+ -- \w", comment)
        and not re.match(r"# type: ignore\[[a-z, -]+\]  # \w", comment)
    ]
    assert unexplained == []


@each("models")
def test_models_own_a_row_and_nothing_else(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            assert node.name not in {"save", "delete"}, f"line {node.lineno}"
        if isinstance(node, ast.ClassDef) and node.name == "Meta":
            names = {
                target.id
                for statement in node.body
                if isinstance(statement, ast.Assign)
                for target in statement.targets
                if isinstance(target, ast.Name)
            }
            assert "ordering" not in names, f"line {node.lineno}"


def strict_serializers():
    # Imports every view, and with it every serializer.
    get_resolver().url_patterns  # noqa: B018 -- for its effect
    pending = [StrictSerializer]
    while pending:
        serializer = pending.pop()
        pending.extend(serializer.__subclasses__())
        if ".tests." not in serializer.__module__:
            yield pytest.param(serializer, id=serializer.__qualname__)


# Fields whose own parsing bounds what comes in: a word of a fixed list, an instant, an id.
BOUNDED = (
    serializers.BooleanField,
    serializers.ChoiceField,
    serializers.DateField,
    serializers.DateTimeField,
    serializers.UUIDField,
    # What takes the file bounds it.
    serializers.FileField,
    # The attribute that it states bounds it.
    ScalarField,
)


@pytest.mark.parametrize("serializer", [*strict_serializers()])
def test_input_is_bounded(serializer):
    assert [*missing_bounds(serializer())] == []


def missing_bounds(field, name=""):
    """Name what lets a field, or one inside it, grow without end."""
    bounds = bounds_of(field)
    if bounds is None:
        yield f"{name}: {type(field).__name__} is not known to be bounded"
        return
    yield from (f"{name}: {bound}" for bound in bounds if getattr(field, bound) is None)
    if isinstance(field, serializers.Serializer):
        for member in field.fields.values():
            if not member.read_only:
                yield from missing_bounds(member, f"{name}.{member.field_name}")
    elif child := getattr(field, "child", None):
        yield from missing_bounds(child, f"{name}[]")


def bounds_of(field):
    """Name the limits that a field of this type has to have, None where we don't know."""
    match field:
        case serializers.Serializer():
            return ()
        case (
            serializers.CharField()
            | serializers.ListField()
            | serializers.ListSerializer()
        ):
            return ("max_length",)
        case serializers.IntegerField() | serializers.DecimalField():
            return ("min_value", "max_value")
        case BoundedDictField():
            return ("max_members",)
        case BoundedJSONField():
            return ("max_bytes",)
        case _:
            return () if isinstance(field, BOUNDED) else None


# Each rule is tried on code that breaks it, or a typo would let everything through.


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (test_views_write_nothing, "Order.objects.create(a=1)"),
        (test_only_services_open_transactions, "from django.db import transaction"),
        (
            test_views_leave_domain_errors_to_the_handler,
            "from orders.exceptions import E\ntry: f()\nexcept (E, ValueError): pass",
        ),
        (test_views_leave_domain_errors_to_the_handler, "try: f()\nexcept: pass"),
        (test_serializers_shape_and_do_not_act, "serializer.save()"),
        (test_serializers_shape_and_do_not_act, "from orders import services"),
        (test_nobody_uses_signals, "from django.dispatch import receiver"),
        (test_services_start_work_by_publishing, "from orders import tasks"),
        (test_services_know_no_http, "from rest_framework.request import Request"),
        (test_only_the_client_calls_out, "def f():\n    import httpx2"),
        (test_only_the_client_calls_out, "asyncio.open_connection('x', 1)"),
        (test_models_own_a_row_and_nothing_else, "class A:\n  def save(self): pass"),
        (
            test_models_own_a_row_and_nothing_else,
            "class A:\n  class Meta:\n    ordering = []",
        ),
    ],
)
def test_a_rule_catches_what_breaks_it(tmp_path, monkeypatch, rule, source):
    broken = tmp_path / "broken.py"
    broken.write_text(source)
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)

    with pytest.raises(AssertionError):
        rule(broken)


class Entry(serializers.Serializer):
    text = serializers.CharField()


@pytest.mark.parametrize(
    ("field", "missing"),
    [
        (serializers.CharField(), [": max_length"]),
        (
            serializers.ListField(child=serializers.IntegerField()),
            [": max_length", "[]: min_value", "[]: max_value"],
        ),
        (Entry(many=True), [": max_length", "[].text: max_length"]),
        (EntriesField(Entry, max_length=1), ["[].text: max_length"]),
        (
            BoundedDictField(child=serializers.CharField(), max_members=1),
            ["[]: max_length"],
        ),
        (serializers.DictField(), [": DictField is not known to be bounded"]),
        (serializers.JSONField(), [": JSONField is not known to be bounded"]),
    ],
)
def test_an_unbounded_field_is_caught(field, missing):
    assert [*missing_bounds(field)] == missing
