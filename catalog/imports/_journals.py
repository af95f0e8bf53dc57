from dataclasses import dataclass

from catalog.imports._reports import Issue, Report


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an import came: products that begin above these lines are in."""

    catalogue_line: int = 0
    stock_line: int = 0


class Journal:
    """Hears how an import goes. This one writes nothing down."""

    def progressed(self, bytes_read: int) -> None:
        """Hear how much of the file was imported; called often, also with no news."""

    def batch_written(self, report: Report, issues: list[Issue], line: int) -> None:
        """Hear of a batch in its own transaction; products above ``line`` are in."""

    def stock_written(self, report: Report, issues: list[Issue], line: int) -> None:
        """Hear of their stock in its own transaction."""

    def settled(self, issues: list[Issue]) -> None:
        """Hear of issues when what they are about is in for good."""
