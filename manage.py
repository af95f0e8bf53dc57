#!/usr/bin/env python
import os
import sys

from django.core.exceptions import ImproperlyConfigured

from config.embedded import command_line
from config.env import load_env_file


def main() -> None:
    load_env_file(command_line.BASE_DIR / ".env")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    with command_line.servers_for(sys.argv):
        # Django and the settings come after the servers, which they may need.
        from django.core.management import execute_from_command_line  # noqa: PLC0415 -- see above

        try:
            execute_from_command_line(sys.argv)
        except ImproperlyConfigured as error:
            sys.exit(f"The settings are wrong: {error}")


if __name__ == "__main__":
    main()
