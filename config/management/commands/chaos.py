import math
import signal
import sys
from argparse import ArgumentParser
from typing import Any, TextIO, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.chaos import ChaosError, parse_faults, servers, spoil
from config.chaos_by_url import Drill, named_server, spoil_named
from core.protection.fault_proxy import Faults


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
        parser.add_argument(
            "--run",
            default="",
            help="with a DATABASE_URL or REDIS_URL: start this, such as 'make run', behind the proxy",
        )
        parser.add_argument(
            "--after",
            type=int,
            default=0,
            help="what --run starts has so many seconds of good weather first",
        )

    def handle(
        self, *, server: str, faults: list[str], seconds: int | None, **options: Any
    ) -> None:
        if not settings.DEV_TOOLS:
            raise CommandError(
                "chaos breaks connections on purpose: it runs under local settings only, never in production."
            )
        # Whatever ends it, the server is put back.
        # SIGINT too: a shell's background jobs are started deaf to it.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.default_int_handler)
        try:
            code = self._spoil(server, parse_faults(faults), seconds, options)
        except ChaosError as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)

    def _spoil(
        self, name: str, faults: Faults, seconds: int | None, options: dict[str, Any]
    ) -> int:
        output = cast("TextIO", self.stdout)
        if named := named_server(name):
            drill = Drill(
                faults,
                command=options["run"],
                after=options["after"],
                seconds=math.inf if seconds is None else seconds,
                seed=options["seed"],
            )
            return spoil_named(named, drill, output=output)
        if options["run"] or options["after"]:
            raise ChaosError(
                "The built-in server is spoilt for the shop that runs: --run and --after are for one that DATABASE_URL or REDIS_URL names."
            )
        signal.alarm(seconds or 0)
        spoil(servers()[name], faults, seed=options["seed"], output=output)
        return 0
