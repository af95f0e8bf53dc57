import csv
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.models import Product, Variant
from catalog.tests.importing import FIXTURES, as_csv, mug, run, shirt, snapshot
from inventory.models import Movement, Stock
from inventory.tests.factories import make_warehouse

ROOT = Path(__file__).resolve().parents[2]


class Terminal(StringIO):
    def isatty(self):
        return True


def import_file(path, *arguments, stderr=None, **options):
    output, complaints = StringIO(), stderr or StringIO()
    code = 0
    try:
        call_command(
            "import_products",
            str(path),
            *arguments,
            stdout=output,
            stderr=complaints,
            **options,
        )
    except CommandError as error:
        code = error.returncode
        complaints.write(str(error))
    return code, output.getvalue(), complaints.getvalue()


@pytest.fixture
def make_file(tmp_path):
    def write(*rows):
        path = tmp_path / "products.csv"
        path.write_text(as_csv(*rows), encoding="utf-8")
        return path

    return write


@pytest.mark.django_db
def test_import_products_reports_what_it_did():
    make_warehouse()

    code, output, complaints = import_file(
        FIXTURES / "shopify_2017.csv", currency="usd", warehouse="main"
    )

    assert code == 0
    assert "shopify 2017, utf-8, prices in USD" in output
    assert "2 created, 0 updated, 0 unchanged" in output
    assert "4 variants counted in main" in output
    assert "line 3, Variant Inventory Qty '-2': Stock below 0 set to 0." in complaints
    assert "1 duplicate_sku" in output


@pytest.mark.django_db
def test_import_products_notes_the_columns_of_markets():
    _, output, _ = import_file(FIXTURES / "shopify_2021.csv")

    assert "Price (2 columns)" in output
    assert "Compare At Price (2 columns)" in output


@pytest.mark.django_db
def test_import_products_writes_what_was_refused_and_exits_with_2(make_file, tmp_path):
    path = make_file(mug("a"), mug("b", price="12 €"), mug("c"))
    errors = tmp_path / "errors.csv"

    code, output, complaints = import_file(path, errors=errors)

    assert code == 2
    assert "1 rows were refused." in complaints
    assert "error: line 3, Variant Price '12 €'" in complaints
    assert "1 unreadable_price" in output
    with errors.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["line"], row["column"], row["value"], row["code"]) == (
        "3",
        "Variant Price",
        "12 €",
        "unreadable_price",
    )
    assert Product.objects.count() == 2


@pytest.mark.django_db
def test_import_products_exits_with_2_for_an_unknown_layout(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("ID,Name\n1,Mug\n")

    code, _, complaints = import_file(path, errors=tmp_path / "errors.csv")

    assert code == 2
    assert "The file was refused." in complaints
    assert "unknown_layout" in (tmp_path / "errors.csv").read_text()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("absent.csv", None, {}),
        ("empty.csv", "", {}),
        ("good.csv", as_csv(mug()), {"currency": "XXQ"}),
        ("good.csv", as_csv(mug()), {"warehouse": "nowhere"}),
        ("good.csv", as_csv(mug()), {"errors": Path("/nowhere/errors.csv")}),
    ],
)
def test_import_products_exits_with_1_when_it_cannot_begin(
    tmp_path, name, content, options
):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)

    code, output, complaints = import_file(path, **options)

    assert code == 1
    assert complaints.count("\n") == 0
    assert output == ""
    assert not Product.objects.exists()


@pytest.mark.django_db
def test_import_products_prints_only_the_first_issues(make_file):
    path = make_file(*(mug(f"mug-{n}", price="x") for n in range(30)))

    _, output, complaints = import_file(path)
    _, _, everything = import_file(path, verbosity=2)

    assert complaints.count("error: line") == 20
    assert everything.count("error: line") == 30
    assert "30 unreadable_price" in output


@pytest.mark.django_db
def test_import_products_dry_run_writes_nothing(make_file):
    code, output, _ = import_file(make_file(mug()), "--dry-run")

    assert code == 0
    assert "Dry run, nothing was written" in output
    assert "1 created" in output
    assert not Product.objects.exists()


@pytest.mark.django_db
def test_import_products_draws_a_bar_on_a_terminal_only(make_file, monkeypatch):
    module = "catalog.management.commands.import_products"
    monkeypatch.setattr(f"{module}.REDRAW_SECONDS", 0)
    path = make_file(mug())

    _, _, drawn = import_file(path, stderr=Terminal())
    _, _, plain = import_file(path)

    assert "100%" in drawn
    assert drawn.rstrip("\n").endswith("\r\033[K")
    assert plain == ""


@pytest.mark.django_db
def test_import_products_says_what_an_interruption_left(make_file, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("catalog.imports._running.plan_batch", interrupt)

    code, _, complaints = import_file(make_file(mug()))

    assert code == 130
    assert "run it again" in complaints


def database_url():
    settings = connection.settings_dict
    return (
        f"postgresql://{settings['USER']}:{settings['PASSWORD']}@/{settings['NAME']}"
        f"?host={settings['HOST']}&port={settings['PORT']}"
    )


def start_import(path):
    return subprocess.Popen(
        [sys.executable, "-m", "django", "import_products", str(path)],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "DATABASE_URL": database_url(),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_import_products_may_be_killed_and_run_again(make_file):
    make_warehouse()
    rows = []
    for number in range(1500):
        sku = {"Variant SKU": f"R-{number}", "Variant Inventory Qty": "2"}
        handle = f"shirt-{number}"
        rows.append(shirt("Red", handle=handle, Title="Shirt", Vendor="Acme", **sku))
        rows.append(shirt("Blue", handle=handle))
    path = make_file(*rows)
    killed_at = []

    for target in (1, 500):
        process = start_import(path)
        give_up = time.monotonic() + 60
        while Product.objects.count() < target and time.monotonic() < give_up:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
        killed_at.append(Product.objects.count())

    assert 0 < killed_at[0] <= killed_at[1] < 1500
    last = start_import(path)
    assert last.wait(timeout=90) == 0
    assert Product.objects.count() == 1500
    assert Variant.objects.count() == 3000
    assert Stock.objects.count() == Movement.objects.count() == 1500
    assert set(Stock.objects.values_list("on_hand", flat=True)) == {2}
    before = snapshot()
    report, _ = run(path)
    assert report.counts["products_unchanged"] == 1500
    assert snapshot() == before
