import os
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.embedded import EmbeddedError
from config.embedded.processes import tether
from config.running import Addresses, run_shop

HIGHEST_PORT = 65535 - 2


class Command(BaseCommand):
    help = "Run the whole shop: servers, migrations, demo shop, web, sockets, worker and beat."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--port", type=_port, default=os.environ.get("PORT") or "8000"
        )
        parser.add_argument(
            "--no-demo", action="store_true", help="start with an empty shop"
        )

        parser.add_argument(
            "--tethered", action="store_true", help="end when the parent does, as make"
        )

    def handle(self, **options: Any) -> None:
        if options["tethered"]:
            tether(signal.SIGTERM)
        addresses = Addresses(host=options["host"], port=options["port"])
        try:
            code = run_shop(
                addresses,
                with_demo=settings.DEV_TOOLS and not options["no_demo"],
                with_simulator=settings.DEV_TOOLS,
                output=sys.stdout,
            )
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            reason = f"{error.strerror} ({error.filename})"
            raise CommandError(f"The shop can't start: {reason}.") from error
        except KeyboardInterrupt:
            code = 0
        sys.exit(code)


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= HIGHEST_PORT:
        raise ArgumentTypeError(
            f"{text!r} is no port from 1 to {HIGHEST_PORT}; the two above it are used as well."
        )
    return int(text)
