from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from orders import selectors


class Command(BaseCommand):
    help = (
        "Check that stock, orders, payments and events agree with each other. "
        "Prints each row that doesn't and exits with 1."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        violations = selectors.ledger_violations(now=timezone.now())
        differing, silent = selectors.provider_violations()
        violations += differing
        for code in silent:
            self.stderr.write(f"{code} didn't answer: captures were not compared.")
        for violation in violations:
            self.stdout.write(
                f"{violation.invariant} {violation.subject}: {violation.detail}"
            )
        if violations:
            raise CommandError(f"{len(violations)} rows break the ledger.")
        self.stdout.write("The ledger adds up.")
