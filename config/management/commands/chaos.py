import signal
from argparse import ArgumentParser
from typing import Any, TextIO, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.chaos import ChaosError, parse_faults, servers, spoil


class Command(BaseCommand):
    help = "Spoil the answers of a server of the shop that runs here, until Ctrl-C: `chaos postgres latency=0.3 jitter=0.1`."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("server", choices=("postgres", "valkey", "provider"))
        parser.add_argument(
            "faults",
            nargs="+",
            help="latency=, jitter=, timeout=, reset=, slow_close= (seconds), bandwidth= (bytes a second), slices=, limit= (bytes), down",
        )
        parser.add_argument("--seconds", type=int, help="end by itself after so long")
        parser.add_argument("--seed", type=int, default=0, help="of the jitter")

    def handle(
        self,
        *,
        server: str,
        faults: list[str],
        seconds: int | None,
        seed: int,
        **_: Any,
    ) -> None:
        if not settings.DEV_TOOLS:
            raise CommandError(
                "chaos breaks connections on purpose: it runs under local settings only, never in production."
            )
        try:
            asked = parse_faults(faults)
        except ChaosError as error:
            raise CommandError(str(error)) from error
        # Whatever ends it, the server is put back.
        # SIGINT too: a shell's background jobs are started deaf to it.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.default_int_handler)
        signal.alarm(seconds or 0)
        output = cast("TextIO", self.stdout)
        try:
            spoil(servers()[server], asked, seed=seed, output=output)
        except ChaosError as error:
            raise CommandError(str(error)) from error
