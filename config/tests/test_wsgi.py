import os
import subprocess
import sys

SCRIPT = """
import sys
import config.wsgi
print({"catalog.views", "orders.views"} <= sys.modules.keys())
"""


def test_views_are_imported_before_the_first_visitor_comes():
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )

    assert finished.stdout.split() == ["True"]
