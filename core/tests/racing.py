"""Let many callers do something at the same moment, each on a connection of its own."""

from collections.abc import Callable, Sequence
from threading import Barrier, Thread
from typing import Any

from django.db import connection

WAIT_SECONDS = 60


def race(runners: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run all at once; return what each returned or raised, in their order."""
    barrier = Barrier(len(runners))
    outcomes: list[Any] = [None] * len(runners)

    def run(lane: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(WAIT_SECONDS)
            outcomes[lane] = runners[lane]()
        except Exception as error:  # noqa: BLE001 -- the test asks which it was
            outcomes[lane] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=[lane]) for lane in range(len(runners))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
        if thread.is_alive():
            raise TimeoutError("A racer is still waiting: a deadlock?")
    return outcomes
