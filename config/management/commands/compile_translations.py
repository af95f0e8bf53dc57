"""Compile locale/*/LC_MESSAGES/django.po, without gettext's own tools.

    manage.py compile_translations

Run it after editing a catalogue, and commit both files; a test compares them.
"""

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = __doc__ or ""

    def handle(self, *_: Any, **__: Any) -> None:
        for folder in settings.LOCALE_PATHS:
            for source in sorted(Path(folder).glob("*/LC_MESSAGES/django.po")):
                with source.open("rb") as text:
                    catalogue = read_po(text)
                with source.with_suffix(".mo").open("wb") as compiled:
                    write_mo(compiled, catalogue)
                self.stdout.write(f"{source.parts[-3]}: {len(catalogue)} messages")
