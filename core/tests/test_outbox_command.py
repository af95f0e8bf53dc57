from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from core import outbox
from core.events import publish
from core.models import OutboxDelivery
from core.tests.lamps import LampLit

pytestmark = pytest.mark.django_db


def outbox_command(*arguments):
    out = StringIO()
    call_command("outbox", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def dead():
    publish(LampLit("a"))
    outbox.relay_pending(now=timezone.now())
    OutboxDelivery.objects.update(status="dead", last_error="ValueError: no bulb")
    return OutboxDelivery.objects.get()


def test_summary_counts_what_is_open(dead):
    assert outbox_command() == (
        "0 events to dispatch, 0 deliveries pending (the oldest 0 s old), 1 dead.\n"
    )


def test_list_names_the_dead_and_why(dead):
    assert outbox_command("list") == (
        f"{dead.pk}  tests.lamp_lit  core.tests.lamps.note_light\n"
        "    ValueError: no bulb\n"
    )


@pytest.mark.parametrize("one_by_id", [True, False])
def test_retry_makes_it_pending_again(dead, one_by_id):
    text = outbox_command("retry", str(dead.pk) if one_by_id else "--all")

    dead.refresh_from_db()
    assert text == "1 deliveries will be made again.\n"
    assert (dead.status, dead.attempts) == ("pending", 0)


def test_retry_leaves_others_alone(dead):
    outbox_command("retry", str(uuid4()))

    dead.refresh_from_db()
    assert dead.status == "dead"


def test_retry_needs_to_be_told_which(dead):
    with pytest.raises(CommandError, match="--all"):
        outbox_command("retry")
