"""Die by SIGKILL at one step of an event's way: ``python -m core.tests.crashing STEP``."""

import os
import signal
import sys

import django


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(function):
    def run_and_die(*arguments, **named):
        function(*arguments, **named)
        die()

    return run_and_die


def main(step):
    django.setup()
    # Django must be set up before anything of the shop is imported.
    from django.db import transaction  # noqa: PLC0415 -- after django.setup()
    from django.utils import timezone  # noqa: PLC0415 -- after django.setup()

    from core import events, outbox  # noqa: PLC0415 -- after django.setup()
    from core.tests import lamps  # noqa: PLC0415 -- after django.setup()

    events.nudge_relay = lambda: None
    outbox.enqueue = lambda *_, **__: False

    def publish():
        events.publish(lamps.LampLit("a", 1))
        events.publish(lamps.LampLit("a", 2))

    if step == "published":
        publish = dying_after(publish)
    elif step == "committed":
        events.nudge_relay = die
    elif step == "dispatched":
        outbox._dispatch = dying_after(outbox._dispatch)  # noqa: SLF001 -- dies inside
    elif step == "relayed":
        outbox.enqueue = die
    elif step == "begun":
        outbox._run = die  # noqa: SLF001 -- dies inside
    elif step == "handled":
        outbox._finish = die  # noqa: SLF001 -- dies inside
    elif step == "finished":
        outbox._finish = dying_after(outbox._finish)  # noqa: SLF001 -- dies inside

    with transaction.atomic():
        publish()
    [delivery_id] = outbox.relay_pending(now=timezone.now())
    if step == "delivered":
        outbox.enqueue = die
    outbox.deliver(delivery_id, now=timezone.now())


if __name__ == "__main__":
    main(sys.argv[1])
