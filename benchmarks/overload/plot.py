"""The picture of the runs: plain SVG, drawn by hand so that nothing need be installed."""

from benchmarks.overload.report import Run, weights

WIDTH, HEIGHT = 840, 330
PANEL_WIDTH, PANEL_HEIGHT = 230, 200
LEFT, TOP, GAP = 50, 60, 40
FONT = 'font-family="system-ui, sans-serif" font-size="12" fill="#334155"'
COLOURS = {"enforce": "#2563eb", "off": "#dc2626", "log_only": "#9333ea"}
NAMES = {"enforce": "with load shedding", "off": "without", "log_only": "log only"}


def plot(runs: list[Run]) -> str:
    worth = weights(runs)
    peak = max(run.goodput(worth) for run in runs) or 1.0
    slowest = max(run.percentile(0.99, "checkout") for run in runs) or 1.0
    panels = [
        ("Checkouts that succeed", lambda run: run.share("checkout"), 1.0, "100 %"),
        ("Goodput", lambda run: run.goodput(worth), peak, "peak"),
        (
            "p99 of a checkout",
            lambda run: run.percentile(0.99, "checkout") or None,
            slowest,
            f"{slowest:.0f} ms",
        ),
    ]
    modes = [*dict.fromkeys(run.mode for run in runs)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for number, mode in enumerate(modes):
        x = LEFT + number * 170
        parts.append(
            f'<rect x="{x}" y="14" width="12" height="12" fill="{COLOURS[mode]}"/>'
            f'<text x="{x + 18}" y="24">{NAMES[mode]}</text>'
        )
    for number, (title, value, most, label) in enumerate(panels):
        left = LEFT + number * (PANEL_WIDTH + GAP)
        parts += _frame(left, title, label)
        parts += _factors(left, sorted({run.factor for run in runs}))
        for mode in modes:
            # Where no checkout went through there is no latency to show.
            own = [
                (run.factor, height)
                for run in sorted(runs, key=lambda run: run.factor)
                if run.mode == mode and (height := value(run)) is not None
            ]
            factors = sorted({run.factor for run in runs})
            points = [
                (_x(left, factors.index(factor), len(factors)), _y(height / most))
                for factor, height in own
            ]
            parts += _line(points, COLOURS[mode])
    parts.append("</svg>\n")
    return "\n".join(parts)


def _frame(left: float, title: str, label: str) -> list[str]:
    bottom = TOP + PANEL_HEIGHT
    return [
        f'<text x="{left}" y="{TOP - 12}" font-weight="600">{title}</text>',
        f'<line x1="{left}" y1="{bottom}" x2="{left + PANEL_WIDTH}" y2="{bottom}" stroke="#94a3b8"/>',
        f'<line x1="{left}" y1="{TOP}" x2="{left + PANEL_WIDTH}" y2="{TOP}" stroke="#e2e8f0"/>',
        f'<text x="{left + PANEL_WIDTH}" y="{TOP - 12}" text-anchor="end" fill="#64748b">{label}</text>',
    ]


def _factors(left: float, factors: list[float]) -> list[str]:
    bottom = TOP + PANEL_HEIGHT
    return [
        f'<text x="{_x(left, n, len(factors)):.0f}" y="{bottom + 18}" text-anchor="middle">{f:g}x</text>'
        for n, f in enumerate(factors)
    ] + [
        f'<text x="{left + PANEL_WIDTH / 2}" y="{bottom + 40}" text-anchor="middle" fill="#64748b">load, of capacity</text>'
    ]


def _line(points: list[tuple[float, float]], colour: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
        for x, y in points
    ]
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *dots,
    ]


def _x(left: float, index: int, count: int) -> float:
    return left + PANEL_WIDTH * (index + 0.5) / count


def _y(share: float) -> float:
    return TOP + PANEL_HEIGHT * (1 - min(1.0, max(0.0, share)))
