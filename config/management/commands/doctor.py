import sys
from typing import Any

from django.core.management.base import BaseCommand

from config.doctor import examine


class Command(BaseCommand):
    help = "Look at everything the shop stands on; exit with 1 when something is wrong."
    requires_system_checks: list[str] = []

    def handle(self, **_: Any) -> None:
        findings = examine()
        for finding in findings:
            mark = (
                self.style.SUCCESS("ok   ")
                if finding.is_well
                else self.style.ERROR("wrong")
            )
            self.stdout.write(f"{mark} {finding.name:<11}{finding.said}")
            if not finding.is_well:
                self.stdout.write(f"      {'':<11}→ {finding.cure}")
        if not all(finding.is_well for finding in findings):
            sys.exit(1)
