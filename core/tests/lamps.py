"""An event and its handlers, for tests whose processes must know them too."""

import time
from dataclasses import dataclass
from typing import ClassVar

from core.events import Delivered, Event, subscribe
from core.models import AuditEntry


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
