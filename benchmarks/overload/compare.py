"""Limiters beside each other, simulated with a seed: the table of docs/load-shedding.md.

    python -m benchmarks.overload.compare       about a minute of processor time

All of them stand before the same machine of two cores and two processes, behind the same
admission, with the same cap of 64 for each process.
"""

import sys
from collections.abc import Callable, Mapping
from random import Random

from benchmarks.overload.limiters import AimdLimit, EnvoyGradientLimit, Gradient2Limit
from benchmarks.overload.simulation import Outcome, Route, Scenario, Simulation
from core.protection.concurrency import AdaptiveLimit, FixedLimit, Limiter, NoLimit

CAP = 64
SEED = 1
Maker = Callable[[int], Limiter]
LIMITERS: Mapping[str, Maker] = {
    "none": lambda _: NoLimit(),
    "fixed at 16": lambda _: FixedLimit(16),
    "AIMD": lambda _: AimdLimit(cap=CAP),
    "Gradient2": lambda _: Gradient2Limit(cap=CAP),
    "Envoy gradient": lambda n: EnvoyGradientLimit(cap=CAP, random=Random(n)),
    "ours": lambda n: AdaptiveLimit(cap=CAP, random=Random(n)),
}
SHOP = (
    Route("checkout", 0.06, share=5, priority=10, width=0, waiting=0.5),
    Route("cart", 0.03, share=15, priority=30, width=20),
    Route("catalogue", 0.05, share=60, priority=50, width=20),
    Route("export", 0.15, share=20, priority=90, width=10),
)
UNEVEN = (
    Route("checkout", 0.06, share=5, priority=10, width=0, waiting=0.5),
    Route("quick", 0.005, share=80, priority=50, width=20),
    Route("slow", 0.4, share=15, priority=50, width=20),
)
SLOW_FROM, SLOW_UNTIL, SLOW_END = 120.0, 180.0, 300.0
WINDOW = 5


def overload(seconds: float = 1800.0, load: float = 2.0) -> Scenario:
    return Scenario(SHOP, lambda _: load, seconds=seconds)


def slow_down() -> Scenario:
    """Seven tenths of what can be done; for a minute everything takes ten times as long."""

    def slowdown(now: float) -> float:
        return 10.0 if SLOW_FROM <= now < SLOW_UNTIL else 1.0

    return Scenario(SHOP, lambda _: 0.7, slowdown=slowdown, seconds=SLOW_END)


def uneven(seconds: float = 300.0) -> Scenario:
    return Scenario(UNEVEN, lambda _: 1.5, seconds=seconds)


def run(scenario: Scenario, name: str) -> Outcome:
    return Simulation(scenario, LIMITERS[name], SEED).run()


def recovery_seconds(outcome: Outcome) -> float:
    """Return when, after the slow minute, one in ten was late or lost for the last time."""
    late = [d.at for d in outcome.finished if d.seconds > outcome.patience_seconds]
    for window in range(int(SLOW_END) - WINDOW, int(SLOW_UNTIL) - 1, -WINDOW):
        bad = sum(window <= at < window + WINDOW for at in (*late, *outcome.lost_at))
        good = outcome.in_time(since=window, until=window + WINDOW)
        if bad > (bad + good) / 10:
            return window + WINDOW - SLOW_UNTIL
    return 0.0


def table() -> str:
    columns = "{:<15}{:>8}{:>7}{:>8}{:>8}{:>7} |{:>8}{:>9} |{:>8}{:>9}{:>9}"
    lines = [
        columns.format(
            *("", "useful", "p50", "p99", "check-", "limit"),
            *("useful", "well"),
            *("useful", "quick", "check-"),
        ),
        columns.format(
            *("", "work", "ms", "ms", "outs", ""),
            *("work", "after s"),
            *("work", "p99 ms", "outs"),
        ),
    ]
    for name in LIMITERS:
        first, second, third = (
            run(scenario, name) for scenario in (overload(), slow_down(), uneven())
        )
        end = {"since": 900.0, "until": 1800.0}
        lines.append(
            columns.format(
                name,
                f"{first.useful(**end):.0%}",
                f"{1000 * first.percentile(0.5, **end):.0f}",
                f"{1000 * first.percentile(0.99, **end):.0f}",
                f"{first.served('checkout'):.1%}",
                f"{first.limit(**end):.0f}" if name != "none" else "",
                f"{second.useful(since=SLOW_UNTIL, until=SLOW_END):.0%}",
                f"{recovery_seconds(second):.0f}",
                f"{third.useful(since=60, until=300):.0%}",
                f"{1000 * third.percentile(0.99, since=60, until=300, route='quick'):.0f}",
                f"{third.served('checkout'):.1%}",
            )
        )
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
