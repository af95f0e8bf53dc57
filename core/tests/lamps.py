"""An event, its handlers and a task, for tests whose processes must know them too."""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from core.events import Delivered, Event, subscribe
from core.models import AuditEntry
from core.protection.deadlines import remaining


@dataclass(frozen=True, slots=True)
class LampLit(Event):
    name: ClassVar[str] = "tests.lamp_lit"
    aggregate: ClassVar[str] = "lamp_id"

    lamp_id: str
    brightness: int = 1
    # How long the handler takes, to be killed meanwhile.
    seconds: float = 0.0


@subscribe(LampLit)
def note_light(delivered: Delivered) -> None:
    AuditEntry.objects.create(
        subject_type="lamp",
        subject_id=delivered.payload["lamp_id"],
        action="lit",
        after={"brightness": delivered.payload["brightness"]},
    )
    time.sleep(delivered.payload["seconds"])


@shared_task
def note_time_left(*, sleeps: float = 0, **_: Any) -> None:
    with suppress(SoftTimeLimitExceeded):
        time.sleep(sleeps)
    AuditEntry.objects.create(
        subject_type="lamp",
        subject_id="deadline",
        action="timed",
        after={"seconds": remaining()},
    )
