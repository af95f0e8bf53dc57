"""See what the event handlers owe, and give dead deliveries another chance.

    manage.py outbox              how far behind the handlers are
    manage.py outbox list         the dead deliveries: id, event, handler, last error
    manage.py outbox retry ID …   deliver these again
    manage.py outbox retry --all  deliver every dead one again

A delivery is dead after ten failed attempts. Mend the cause first, then retry: events of
the same aggregate that came later have been delivered meanwhile, so a retried one
arrives after them.
"""

from argparse import RawDescriptionHelpFormatter
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core import outbox


class Command(BaseCommand):
    help = __doc__ or ""

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action")
        actions.add_parser("list", help="show the dead deliveries")
        retry = actions.add_parser("retry", help="deliver dead ones again")
        retry.add_argument("ids", nargs="*", type=UUID, metavar="ID")
        retry.add_argument("--all", action="store_true", help="every dead one")

    def handle(self, *_: Any, **options: Any) -> None:
        match options["action"]:
            case "list":
                self._list()
            case "retry":
                self._retry(options["ids"], every=options["all"])
            case _:
                self._summarise()

    def _summarise(self) -> None:
        lag = outbox.lag(now=timezone.now())
        self.stdout.write(
            f"{lag.undispatched} events to dispatch, {lag.pending} deliveries pending "
            f"(the oldest {lag.oldest_seconds:.0f} s old), {lag.dead} dead."
        )

    def _list(self) -> None:
        for delivery in outbox.dead_deliveries():
            self.stdout.write(
                f"{delivery.pk}  {delivery.event.name}  {delivery.handler}\n"
                f"    {delivery.last_error}"
            )

    def _retry(self, ids: list[UUID], *, every: bool) -> None:
        if bool(ids) == every:
            raise CommandError("Name the deliveries to retry, or say --all.")
        revived = outbox.retry_dead(
            delivery_ids=None if every else ids, now=timezone.now()
        )
        outbox.relay_pending(now=timezone.now())
        self.stdout.write(f"{revived} deliveries will be made again.")
