"""What an import says about itself: counts, and an issue for each doubtful row."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

ERROR = "error"
WARNING = "warning"
# A cell is quoted in an issue; nobody needs to read a whole description there.
MAX_QUOTED = 200


@dataclass(frozen=True, slots=True)
class Issue:
    """A row that was refused (error), or taken with a doubt (warning)."""

    severity: str
    line: int
    column: str
    value: str
    code: str
    message: str


def error(line: int, column: str, value: str, code: str, message: str) -> Issue:
    return Issue(ERROR, line, quoted(column), quoted(value), code, message)


def warning(line: int, column: str, value: str, code: str, message: str) -> Issue:
    return Issue(WARNING, line, quoted(column), quoted(value), code, message)


def quoted(value: str) -> str:
    # PostgreSQL stores no NUL.
    value = value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return value if len(value) <= MAX_QUOTED else value[: MAX_QUOTED - 1] + "…"


@dataclass(slots=True)
class Report:
    """Counts by name, such as ``products_created``; names that are absent count zero."""

    encoding: str = ""
    layout: str = ""
    currency: str = ""
    warehouse_code: str = ""
    is_dry_run: bool = False
    used_columns: list[str] = field(default_factory=list)
    ignored_columns: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)

    @property
    def has_refusals(self) -> bool:
        return bool(self.errors)

    def with_batch(self, counts: Counter[str], issues: Iterable[Issue]) -> "Report":
        """Return the report that a batch makes of this one."""
        report = replace(
            self,
            counts=self.counts.copy(),
            errors=self.errors.copy(),
            warnings=self.warnings.copy(),
        )
        # Not the operator +, which drops what sinks to zero and what is below it.
        report.counts.update(counts)
        for issue in issues:
            chosen = report.errors if issue.severity == ERROR else report.warnings
            chosen[issue.code] += 1
        return report

    def as_json(self) -> dict[str, Any]:
        return {
            "encoding": self.encoding,
            "layout": self.layout,
            "currency": self.currency,
            "warehouse_code": self.warehouse_code,
            "is_dry_run": self.is_dry_run,
            "used_columns": self.used_columns,
            "ignored_columns": self.ignored_columns,
            "counts": {name: self.counts[name] for name in COUNTS},
            "errors": dict(self.errors),
            "warnings": dict(self.warnings),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Report":
        counters = {
            name: Counter(stored.get(name, {}))
            for name in ("counts", "errors", "warnings")
        }
        return cls(**(stored | counters))


COUNTS = (
    "rows_read",
    "rows_refused",
    "products_created",
    "products_updated",
    "products_unchanged",
    "products_refused",
    "variants_created",
    "variants_updated",
    "variants_unchanged",
    "images_created",
    "images_updated",
    "images_unchanged",
    "stock_counted",
)
