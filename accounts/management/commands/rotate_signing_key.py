"""Make the next key that access tokens are signed with.

    manage.py rotate_signing_key            takes over in two minutes, nobody notices
    manage.py rotate_signing_key --leaked   at once: all access tokens that are out are
                                            refused, and clients refresh theirs

It happens by itself every SIGNING_KEY_DAYS.
"""

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts import services


class Command(BaseCommand):
    help = __doc__ or ""

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--leaked", action="store_true", help="wait for nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        key = services.rotate_signing_key(
            now=timezone.now(), is_leaked=options["leaked"]
        )
        self.stdout.write(
            f"{key.algorithm} key {key.kid} signs from {key.signs_from:%H:%M:%S} UTC."
        )
