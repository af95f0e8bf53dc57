"""Change the protections' code in every small way, and see whether a test notices.

``python -m benchmarks.mutants [breaker bucket …] [--sample 100] [--part 2/5]``

The changes are cosmic-ray's. Each one is made in memory, in a process forked after
everything but the shop's own code was imported, so that trying one takes a moment. Only
fast tests run: none of them needs PostgreSQL or Valkey. What survives is printed; what
is meant to survive, and why, stands in docs/mutation-testing.md.
"""

import argparse
import ast
import difflib
import importlib.abc
import importlib.util
import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cosmic_ray.plugins
import django
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

ROOT = Path(__file__).resolve().parents[1]
LEAST_KILLED = 0.9
PATIENCE_SECONDS = 60.0
TESTS = "core/tests/protection"
PROTECTION = "core/protection"
# In annotations a bar is no operator, a dataclass that isn't frozen works the same, and
# what is compared by identity has no order.
SKIPPED = re.compile(
    r"core/(ReplaceBinaryOperator_BitOr_.*|RemoveDecorator"
    r"|ReplaceComparisonOperator_(Is|IsNot)_(?!Is).*"
    r"|ReplaceComparisonOperator_(?!Is).*_(Is|IsNot))"
)


@dataclass(frozen=True)
class Target:
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    options: tuple[str, ...] = ()
    # True: the tests import models, and what they test is imported after these.
    needs_django: bool = False


TARGETS = {
    "breaker": Target(
        ("circuit", "judging"),
        ("test_circuit",),
        # What takes its time in order to be timed.
        ("-k", "not parallel and not at_once"),
    ),
    "bucket": Target(
        ("token_bucket", "sparing"), ("test_local_buckets", "test_sparing")
    ),
    "concurrency": Target(
        ("concurrency", "admission", "threshold", "tally"),
        (
            *("test_concurrency", "test_admission", "test_threshold", "test_urgent"),
            "test_coming",
        ),
    ),
    "retries": Target(("retries",), ("test_retries",)),
    # The last: from here on all of the shop is imported.
    "limiter": Target(
        ("limiter", "demands"),
        ("test_limiter", "test_demands"),
        ("-p", "pytest_django.plugin"),
        needs_django=True,
    ),
}


@dataclass(frozen=True)
class Mutant:
    path: Path
    operator: str
    occurrence: int
    line: int

    def code(self) -> str | None:
        operator = cosmic_ray.plugins.get_operator(self.operator)()
        changed: str | None = mutate_code(
            self.path.read_text(), operator, self.occurrence
        )
        return changed

    def __str__(self) -> str:
        before = self.path.read_text().splitlines()
        after = (self.code() or "").splitlines()
        changes = [
            line
            for line in difflib.unified_diff(before, after, lineterm="", n=0)
            if line[:1] in "+-" and line[:3] not in {"+++", "---"}
        ]
        where = f"{self.path.relative_to(ROOT)}:{self.line}"
        return "\n    ".join(
            [f"{where} {self.operator.removeprefix('core/')}", *changes]
        )


@dataclass
class Result:
    tried: int = 0
    survivors: list[Mutant] = field(default_factory=list)

    @property
    def share_killed(self) -> float:
        return 1 - len(self.survivors) / self.tried if self.tried else 1.0


def mutants_of(path: Path) -> Iterator[Mutant]:
    text = path.read_text()
    tree = get_ast(text)
    ignored, lines = _lines_without_behaviour(text), text.splitlines()
    for name in cosmic_ray.plugins.operator_names():
        kind = cosmic_ray.plugins.get_operator(name)
        if kind.arguments() or SKIPPED.fullmatch(name):
            continue
        operator = kind()
        positions = (
            start
            for node in ast_nodes(tree)
            for start, _ in operator.mutation_positions(node)
        )
        for occurrence, (line, _) in enumerate(positions):
            # A star there begins what goes by name; dataclasses' own switches do nothing.
            is_star = "*," in lines[line - 1] or lines[line - 1].strip()[:4] == "def "
            is_made = lines[line - 1].startswith("@dataclass")
            if line not in ignored and not (
                is_made or (is_star and "Operator_Mul_" in name)
            ):
                yield Mutant(path, name, occurrence, line)


def _lines_without_behaviour(text: str) -> set[int]:
    """Find the lines of protocols and of ``__slots__``, which nothing runs."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        is_protocol = isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases
        )
        if is_protocol:
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the import system the changed text of one module."""

    def __init__(self, name: str, path: Path, code: str) -> None:
        self._name, self._path, self._code = name, path, code

    def find_spec(self, fullname, path, target=None):  # noqa: ANN001, ANN201, ARG002 -- the import system's signature
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(self._path))

    def exec_module(self, module) -> None:  # noqa: ANN001 -- the import system's signature
        exec(compile(self._code, self._path, "exec"), module.__dict__)  # noqa: S102 -- our own text


def passes(target: Target, mutant: Mutant | None) -> bool:
    """Run the target's tests in a child process, on the changed code if there is any."""
    child = os.fork()
    if child == 0:
        _run_tests(target, mutant)
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    # A loop that doesn't end was noticed.
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run_tests(target: Target, mutant: Mutant | None) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    code = 1
    try:
        if mutant is not None:
            name = ".".join(mutant.path.relative_to(ROOT).with_suffix("").parts)
            _forget(target.modules)
            text = mutant.code()
            if text is None:
                os._exit(1)
            sys.meta_path.insert(0, Changed(name, mutant.path, text))
        tests = [f"{TESTS}/{name}.py" for name in target.tests]
        settings = ["-c", os.devnull, f"--rootdir={ROOT}", "--noconftest"]
        quiet = ["-q", "-x", "-p", "no:cacheprovider", "--tb=no"]
        code = int(pytest.main([*settings, *quiet, *target.options, *tests]))
    finally:
        os._exit(code)


def _forget(modules: Sequence[str]) -> None:
    """Have them imported anew, since one may have what it needs from another."""
    package = PROTECTION.replace("/", ".")
    for module in modules:
        if sys.modules.pop(f"{package}.{module}", None) is not None:
            delattr(sys.modules[package], module)


def import_what_stays() -> None:
    """Import all but the shop's own code, which each child imports anew."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        # Nobody listens there.
        "DATABASE_URL": "postgresql://x@127.0.0.1:1/x",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    sys.dont_write_bytecode = True
    for name in ("django.test", "prometheus_client", "redis", "rest_framework.request"):
        importlib.import_module(name)


def examine(target: Target, sample: int, part: tuple[int, int]) -> Result:
    if target.needs_django:
        django.setup()
    if not passes(target, None):
        sys.exit(f"{', '.join(target.tests)} fail on the code as it is.")
    paths = [ROOT / PROTECTION / f"{name}.py" for name in target.modules]
    mutants = [mutant for path in paths for mutant in mutants_of(path)]
    if sample and sample < len(mutants):
        mutants = random.Random(1).sample(mutants, sample)
    result = Result()
    number, parts = part
    for mutant in mutants[number - 1 :: parts]:
        result.tried += 1
        if passes(target, mutant):
            result.survivors.append(mutant)
            print(mutant, flush=True)
    return result


def _part(text: str) -> tuple[int, int]:
    number, parts = map(int, text.split("/"))
    if not 1 <= number <= parts:
        raise ValueError(text)
    return number, parts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], default=[])
    parser.add_argument(
        "--sample", type=int, default=0, help="try so many of each; 0 tries all"
    )
    parser.add_argument(
        "--part", type=_part, default=(1, 1), help="2/5: the second fifth of them"
    )
    options = parser.parse_args()
    os.chdir(ROOT)
    os.nice(10)
    import_what_stays()
    results = {
        name: examine(target, options.sample, options.part)
        for name, target in TARGETS.items()
        if name in (options.targets or TARGETS)
    }
    for name, result in results.items():
        killed = result.tried - len(result.survivors)
        share = f"{result.share_killed:.1%}"
        print(f"{name:12} {killed:5} of {result.tried:5} killed  {share}")
    if any(result.share_killed < LEAST_KILLED for result in results.values()):
        sys.exit(f"Fewer than {LEAST_KILLED:.0%} are killed.")


if __name__ == "__main__":
    main()
