"""Take the authenticator app, its recovery codes and all passkeys from an account.

    manage.py reset_mfa boss@example.com

For the last admin who has lost his phone; for all others staff do it, by
POST /api/v1/users/{id}/mfa-reset. All sessions end, the owner is told by mail, and the
audit log has it. The password alone signs in afterwards.
"""

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import services
from core.errors import DomainError


class Command(BaseCommand):
    help = __doc__ or ""

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the account's address")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            services.reset_second_factors_by_hand(
                email=options["email"], now=timezone.now()
            )
        except DomainError as error:
            raise CommandError(f"{error.title}: {error.cause}") from error
        self.stdout.write("Done: the password alone signs in now.")
