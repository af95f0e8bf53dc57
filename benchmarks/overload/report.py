"""What became of the visits: a table for people, and whether it is what we promise."""

from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.overload.generator import MIX, Visit

GOOD = {200, 201}
SHED = 503
ORDER = ("checkout", "product", "search", "feed", "report")


@dataclass(slots=True)
class Run:
    mode: str
    factor: float
    rate: float
    visits: list[Visit]
    recovery_seconds: float = field(default=0.0)

    def of(self, kind: str) -> list[Visit]:
        return [v for v in self.visits if kind in {"", v.kind}]

    def share(self, kind: str = "") -> float:
        """Return the share of visits that got what they came for."""
        found = self.of(kind)
        return sum(v.status in GOOD for v in found) / max(1, len(found))

    def percentile(self, share: float, kind: str = "") -> float:
        """Return a latency in milliseconds of those that got what they came for."""
        found = sorted(v.seconds for v in self.of(kind) if v.status in GOOD)
        return 1000 * found[int(share * (len(found) - 1))] if found else 0.0

    def goodput(self, weights: dict[str, float]) -> float:
        """Return the work that was of use to somebody, a second.

        In seconds of a calm shop's time: a checkout is more than a page.
        """
        until = max((v.due for v in self.visits), default=1.0)
        return sum(weights[v.kind] for v in self.visits if v.status in GOOD) / until


def weights(runs: list[Run]) -> dict[str, float]:
    """Say how long each kind of visit takes in the calmest run."""
    calmest = min(runs, key=lambda run: (run.factor, run.mode != "enforce"))
    return {kind: calmest.percentile(0.5, kind) / 1000 for kind in MIX}


def table(runs: list[Run]) -> str:
    worth = weights(runs)
    columns = (
        "shedding",
        "load",
        "visits/s",
        "goodput",
        "p50",
        "p99",
        "checkouts",
        "p99",
    )
    head = "{:<9}{:>5}{:>9}{:>9}{:>7}{:>7}{:>11}{:>7}".format(*columns)
    lines = [head + "".join(f"{kind:>9}" for kind in ORDER[1:]) + f"{'gone':>6}"]
    for run in runs:
        gone = sum(v.status not in GOOD and v.status != SHED for v in run.visits)
        row = (
            f"{run.mode:<9}{run.factor:>4g}x{run.rate:>9.1f}{run.goodput(worth):>9.2f}"
            f"{run.percentile(0.5):>7.0f}{run.percentile(0.99):>7.0f}"
            f"{run.share('checkout'):>11.1%}{run.percentile(0.99, 'checkout'):>7.0f}"
        )
        shares = "".join(f"{run.share(kind):>9.1%}" for kind in ORDER[1:])
        lines.append(row + shares + f"{gone / max(1, len(run.visits)):>6.0%}")
    return "\n".join(lines)


def verdicts(runs: list[Run]) -> str:
    """Hold what was measured against what is promised, line by line."""
    ours = [run for run in runs if run.mode == "enforce"]
    if not ours:
        return ""
    worth = weights(runs)
    calm = min(ours, key=lambda run: run.factor)
    peak = max(run.goodput(worth) for run in ours)
    slow = calm.percentile(0.99, "checkout")
    lines = []
    for run in ours:
        if run.factor <= 1:
            continue
        served = [run.share(kind) for kind in ORDER]
        in_order = all(a >= b - 0.02 for a, b in pairwise(served))
        checks = {
            f"checkouts {run.share('checkout'):.1%} >= 99 %": run.share("checkout")
            >= 0.99,
            f"their p99 {run.percentile(0.99, 'checkout'):.0f} <= {2 * slow:.0f} ms": (
                run.percentile(0.99, "checkout") <= 2 * slow
            ),
            f"goodput {run.goodput(worth) / peak:.0%} >= 90 % of the peak": (
                run.goodput(worth) >= 0.9 * peak
            ),
            "the least important first": in_order,
            f"well after {run.recovery_seconds:.0f} <= 30 s": run.recovery_seconds
            <= 30,
        }
        for text, is_met in checks.items():
            lines.append(
                f"{run.factor:>4g}x  {'met   ' if is_met else 'MISSED'}  {text}"
            )
    return "\n".join(lines)


def recovery_seconds(visits: list[Visit]) -> float:
    """Return when the last second began in which more than 1 % got nothing."""
    seconds = int(max(v.due for v in visits)) + 1
    last = 0.0
    for second in range(seconds):
        found = [v for v in visits if second <= v.due < second + 1]
        bad = sum(v.status not in GOOD for v in found)
        if bad > 0.01 * len(found):
            last = second + 1.0
    return last
