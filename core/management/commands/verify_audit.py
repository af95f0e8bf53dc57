"""Walk the chain over the audit log; exit with 1 when an entry was changed or removed.

    manage.py verify_audit                       the chain as it is
    manage.py verify_audit --expect 1200:3f8a…   and that it still holds this seal
    manage.py verify_audit --forget              the database was restored: begin anew

Valkey remembers the newest seal, and each run of the sealing job logs `audit_sealed` with
a position and its digest. By these the command also notices that the end of the chain was
cut off. `--forget` drops what Valkey remembers; entries that are gone stay gone.
"""

import sys
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from core import audit_chain, audit_watch


class Command(BaseCommand):
    help = __doc__ or ""

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--expect",
            action="append",
            type=_seal,
            default=[],
            metavar="POSITION:DIGEST",
        )
        parser.add_argument("--forget", action="store_true")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["forget"]:
            audit_watch.forget()
        while audit_chain.seal_entries(now=timezone.now()) >= audit_chain.BATCH:
            pass
        length, flaws = audit_chain.verify(expected=dict(options["expect"]))
        flaws += audit_watch.lost_end()
        for flaw in flaws:
            where = f"Position {flaw.position}" if flaw.position else "No position"
            entry = f", entry {flaw.entry_id}" if flaw.entry_id else ""
            self.stderr.write(f"{where}{entry}: {flaw.said}")
        if flaws:
            sys.exit(1)
        self.stdout.write(f"The audit log is whole: {length} entries.")


def _seal(text: str) -> tuple[int, str]:
    position, colon, digest = text.partition(":")
    if not colon or not position.isdigit():
        raise ArgumentTypeError(f"{text!r} isn't of the form POSITION:DIGEST.")
    return int(position), digest
