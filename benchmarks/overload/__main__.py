"""What the shop does when more is asked than it can do, with load shedding and without.

    make bench-overload                 the whole, about fifteen minutes
    python -m benchmarks.overload --seconds 6 --factors 1,5 --modes enforce

Measures how many visits the web processes can serve, sends 0.5 to 10 times as many by an
open loop, and prints what became of each kind of visit. After the worst of it half of the
capacity is sent, to see when all is well again.

The last processor is the generator's, where the system lets us say so; the shop with
PostgreSQL, Valkey and the payment provider has the others, and a web process for each.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import orjson

from benchmarks.overload.generator import Plan, Visit
from benchmarks.overload.plot import plot
from benchmarks.overload.report import GOOD, Run, recovery_seconds, table, verdicts
from benchmarks.overload.stage import ROOT, Catalogue, stage, web

WARM_SECONDS = 8.0
# The server's own default, WEB_THREADS.
THREADS = 8


def main() -> int:
    options = _parse_arguments()
    _keep_to(options.shop_cores)
    with stage(options.var) as (environment, catalogue):
        runs = _measure(options, environment, catalogue)
    written = orjson.dumps([asdict(run) for run in runs])
    (options.var / "overload.json").write_bytes(written)
    print(table(runs))
    print(verdicts(runs))
    if options.plot:
        options.plot.write_text(plot(runs))
        print(f"Drawn to {options.plot}.")
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overload",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="of each run")
    parser.add_argument("--factors", default="0.5,1,2,5,10")
    parser.add_argument("--modes", default="enforce,off")
    parser.add_argument("--capacity", type=float, default=0.0, help="visits a second")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--plot", type=Path, help="draw the picture into this file")
    parser.add_argument("--var", type=Path, default=ROOT / "var" / "bench")
    options = parser.parse_args()
    options.shop_cores, options.own_cores = _cores()
    options.processes = max(1, len(options.shop_cores))
    return options


def _cores() -> tuple[list[int], list[int]]:
    """Return the shop's processors and the generator's; nothing where they can't be told."""
    if not hasattr(os, "sched_getaffinity"):
        return [], []
    cores = sorted(os.sched_getaffinity(0))
    return (cores[:-1], cores[-1:]) if len(cores) > 1 else ([], [])


def _keep_to(cores: list[int]) -> None:
    """Bind this process, and all that it starts, to these processors."""
    if cores:
        os.sched_setaffinity(0, cores)


def _measure(
    options: argparse.Namespace,
    environment: dict[str, str],
    catalogue: Catalogue,
) -> list[Run]:
    factors = [float(factor) for factor in options.factors.split(",")]
    capacity = options.capacity or _capacity(options, environment, catalogue)
    print(f"{capacity:.1f} visits/s are served at most", file=sys.stderr)
    runs = []
    for mode in options.modes.split(","):
        with web(environment, mode=mode, count=options.processes) as address:
            plan = _plan(options, address, catalogue)
            # What is done for the first time says nothing, and the limiter learns.
            plan.rate = capacity / 2
            generate(plan)
            for factor in factors:
                plan.rate = factor * capacity
                # What the others are held against comes from few checkouts, so from longer.
                plan.seconds = options.seconds * (4 if factor < 1 else 1)
                runs.append(Run(mode, factor, plan.rate, generate(plan)))
                print(table(runs[-1:]), file=sys.stderr)
                after = generate(calm(plan, capacity))
                runs[-1].recovery_seconds = recovery_seconds(after)
    return runs


def _capacity(
    options: argparse.Namespace, environment: dict[str, str], catalogue: Catalogue
) -> float:
    """Return how many visits a second are served when as many come as there are threads.

    Nobody is refused meanwhile: a refusal is quick, and would count for a visit.
    """
    with web(environment, mode="off", count=options.processes) as address:
        plan = _plan(options, address, catalogue)
        plan.visitors = THREADS * options.processes
        for _ in range(2):
            visits = generate(plan)
        served = sum(visit.status in GOOD for visit in visits)
        return served / max(v.due + v.seconds for v in visits)


def _plan(options: argparse.Namespace, address: str, catalogue: Catalogue) -> Plan:
    cores = options.own_cores
    return Plan(address, 0.0, WARM_SECONDS, options.seed, catalogue, cores=cores)


def calm(plan: Plan, capacity: float) -> Plan:
    """Half of what can be done, for as long as recovery may take."""
    seconds = min(30.0, plan.seconds)
    seed, rate = plan.seed + 1, capacity / 2
    return replace(plan, rate=rate, seconds=seconds, seed=seed)


def generate(plan: Plan) -> list[Visit]:
    """Run the generator in a process of its own, so that it is held up by nobody."""
    # A file, since a pipe has to be emptied by a process that is kept to busy cores.
    with tempfile.TemporaryFile() as visits:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.overload.generator"],
            cwd=ROOT,
            input=orjson.dumps(asdict(plan)),
            stdout=visits,
            check=True,
        )
        visits.seek(0)
        return [Visit(**found) for found in orjson.loads(visits.read())]


if __name__ == "__main__":
    sys.exit(main())
