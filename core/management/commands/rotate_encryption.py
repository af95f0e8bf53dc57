"""Seal with the first key of FIELD_ENCRYPTION_KEYS what older keys have sealed.

    manage.py rotate_encryption           seal everything anew; stop and resume at will
    manage.py rotate_encryption --retire  and drop the proofs of keys that nothing needs

Put the new key first and keep the old ones behind it, restart every process, run this
with --retire, and only then take the old keys out of the settings. Texts in events are
not sealed anew: they are gone a month later, when the outbox is pruned.
"""

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import rotation
from core.encryption import current_key
from core.key_proofs import forget_keys_but, require_keys

BAR_WIDTH = 30


class Command(BaseCommand):
    help = __doc__ or ""

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=rotation.BATCH)
        parser.add_argument(
            "--retire", action="store_true", help="drop the proofs of older keys"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        require_keys()
        done = [self._rotate(model, options) for model in rotation.encrypted_models()]
        problems = [self._problem(table) for table in done if table.left]
        if problems:
            raise CommandError("\n".join(problems))
        self.stdout.write(f"Everything is sealed with the key {current_key().id!r}.")
        if options["retire"]:
            for key_id in forget_keys_but({current_key().id}):
                self.stdout.write(f"The key {key_id!r} can leave the settings.")

    def _rotate(
        self, model: rotation.Model, options: dict[str, Any]
    ) -> rotation.Rotation:
        total = rotation.count_stale(model)
        name = model._meta.label  # noqa: SLF001 -- Django's public API

        def show(sealed: int) -> None:
            share = min(1.0, sealed / total) if total else 1.0
            bar = "#" * round(BAR_WIDTH * share)
            line = f"[{bar:<{BAR_WIDTH}}] {sealed} of {total} {name}"
            # One line that grows on a terminal, one line for each batch in a log.
            end = "\r" if self.stdout.isatty() else "\n"
            self.stdout.write(line, ending=end)

        done = rotation.rotate(model, batch=options["batch"], report=show)
        show(done.sealed)
        self.stdout.write("", ending="\n" if self.stdout.isatty() else "")
        return done

    def _problem(self, done: rotation.Rotation) -> str:
        if done.unreadable:
            some = ", ".join(done.unreadable[:5])
            return f"{done.table}: no key opens {len(done.unreadable)} rows: {some}."
        return f"{done.table}: {done.left} rows were busy; run this again."
