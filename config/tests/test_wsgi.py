import os
import subprocess
import sys

import pytest

SCRIPT = """
import gc, sys
import config.{server}
print({{"catalog.views", "orders.views"}} <= sys.modules.keys())
print(gc.get_freeze_count())
"""


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def said(request):
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(server=request.param)],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return finished.stdout.split()


def test_views_are_imported_before_the_first_visitor_comes(said):
    assert said[0] == "True"


def test_the_collector_leaves_alone_what_is_loaded(said):
    assert int(said[1]) > 100_000
