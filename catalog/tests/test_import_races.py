from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, OperationalError, connection

from catalog import services
from catalog.imports import _running
from catalog.models import Category, Product, Variant, Vendor
from catalog.tests.importing import as_csv, mug, run

pytestmark = pytest.mark.django_db(transaction=True)


def rows():
    return [
        mug(
            f"mug-{n:03}",
            Vendor=f"Vendor {n % 7}",
            **{"Variant SKU": f"M-{n}", "Product Category": f"Kitchen > Mugs {n % 5}"},
        )
        for n in range(120)
    ]


def import_together(*contents):
    """Run imports at once; returns what they raised."""
    barrier, failures = Barrier(len(contents)), []

    def work(content):
        try:
            barrier.wait()
            run(content)
        except Exception as failure:  # noqa: BLE001 -- told to the test
            failures.append(failure)
        finally:
            connection.close()

    threads = [Thread(target=work, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return failures


def meet_before_writing(monkeypatch, count):
    """Let every import plan its first batch before any of them writes."""
    barrier, write = Barrier(count), _running.write_changes
    met = []

    def write_together(*args, **kwargs):
        if len(met) < count:
            met.append(1)
            barrier.wait(10)
        return write(*args, **kwargs)

    monkeypatch.setattr(_running, "write_changes", write_together)


def test_two_imports_of_the_same_products_at_once_make_each_once(monkeypatch):
    # What they share has been there before; else one would wait for the other.
    run(as_csv(*rows()[:7]))
    Product.objects.all().delete()
    meet_before_writing(monkeypatch, 2)

    failures = import_together(as_csv(*rows()), as_csv(*reversed(rows())))

    assert failures == []
    assert Product.objects.count() == Variant.objects.count() == 120
    assert Vendor.objects.count() == 7
    assert Category.objects.filter(name="Kitchen").count() == 1
    assert Category.objects.count() == 6


def test_without_planning_again_one_of_them_fails(monkeypatch):
    """The control: what the test above would miss if nothing were repeated."""
    run(as_csv(*rows()[:7]))
    Product.objects.all().delete()
    meet_before_writing(monkeypatch, 2)
    monkeypatch.setattr(_running, "ATTEMPTS", 1)

    (failure,) = import_together(as_csv(*rows()), as_csv(*reversed(rows())))

    # A unique key, or each waits for the other's: either is what planning again mends.
    assert isinstance(failure, IntegrityError | OperationalError)


def test_two_imports_that_grow_the_same_tree_make_each_category_once():
    contents = [
        as_csv(
            *(
                mug(f"{letter}-{n}", **{"Product Category": f"Home > Room {n}"})
                for n in range(30)
            )
        )
        for letter in "abc"
    ]

    assert import_together(*contents) == []
    assert Category.objects.count() == 31
    assert Product.objects.count() == 90


def test_an_import_and_a_change_of_stock_do_not_lock_each_other_out(monkeypatch):
    run(as_csv(*rows()))
    variant_ids = list(Variant.objects.values_list("pk", flat=True))
    failures = []

    def flip():
        try:
            for round_ in range(6):
                flags = dict.fromkeys(reversed(variant_ids), round_ % 2 == 0)
                services.set_availability(changes=flags)
        except Exception as failure:  # noqa: BLE001 -- told to the test
            failures.append(failure)
        finally:
            connection.close()

    thread = Thread(target=flip)
    thread.start()
    for price in ("1", "2", "3"):
        run(as_csv(*(row | {"Variant Price": price} for row in rows())))
    thread.join(60)

    assert failures == []
