"""What the shop does when more is asked than it can do, with load shedding and without.

    make bench-overload                 the whole, about ten minutes
    python -m benchmarks.overload --seconds 6 --factors 1,5 --modes enforce

Measures how many visits the web processes can serve, sends 0.5 to 10 times as many by an
open loop, and prints what became of each kind of visit. After the worst of it half of the
capacity is sent, to see when all is well again. The generator takes a part of the machine,
and so do PostgreSQL and the payment provider: there is a web process for every second core.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import orjson

from benchmarks.overload.generator import Plan, Visit
from benchmarks.overload.plot import plot
from benchmarks.overload.report import Run, recovery_seconds, table, verdicts
from benchmarks.overload.stage import ROOT, Catalogue, stage, web


def main() -> int:
    options = _parse_arguments()
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
    parser.add_argument(
        "--processes", type=int, default=max(1, (os.cpu_count() or 1) // 2)
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--plot", type=Path, help="draw the picture into this file")
    parser.add_argument("--var", type=Path, default=ROOT / "var" / "bench")
    return parser.parse_args()


def _measure(
    options: argparse.Namespace,
    environment: dict[str, str],
    catalogue: Catalogue,
) -> list[Run]:
    factors = [float(factor) for factor in options.factors.split(",")]
    capacity = options.capacity
    runs = []
    for mode in options.modes.split(","):
        with web(environment, mode=mode, count=options.processes) as address:
            plan = Plan(
                address, 0.0, min(8.0, options.seconds), options.seed, catalogue
            )
            # Twice: what is done for the first time says nothing.
            plan.visitors = 12
            for _ in range(2):
                visits = generate(plan)
            measured = len(visits) / max(v.due + v.seconds for v in visits)
            capacity = capacity or measured
            print(f"{mode}: {measured:.1f} visits/s at most", file=sys.stderr)
            plan.visitors = 0
            plan.seconds = options.seconds
            for factor in factors:
                plan.rate = factor * capacity
                runs.append(Run(mode, factor, plan.rate, generate(plan)))
                print(table(runs[-1:]), file=sys.stderr)
                after = generate(calm(plan, capacity))
                runs[-1].recovery_seconds = recovery_seconds(after)
    return runs


def calm(plan: Plan, capacity: float) -> Plan:
    """Half of what can be done, for as long as recovery may take."""
    seconds = min(30.0, plan.seconds)
    return Plan(plan.base_url, capacity / 2, seconds, plan.seed + 1, plan.catalogue)


def generate(plan: Plan) -> list[Visit]:
    """Run the generator in a process of its own, so that it is held up by nobody."""
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.overload.generator"],
        cwd=ROOT,
        input=orjson.dumps(asdict(plan)),
        stdout=subprocess.PIPE,
        check=True,
    )
    return [Visit(**found) for found in orjson.loads(finished.stdout)]


if __name__ == "__main__":
    sys.exit(main())
