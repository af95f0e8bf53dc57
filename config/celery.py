import os
from typing import Any

from celery import Celery, bootsteps
from celery.beat import Scheduler
from django.utils import timezone
from redis.exceptions import RedisError

# Forgetting the variable must not open a shop that has the published key.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
app = Celery("shopwright", task_cls="core.protection.timed_task:TimedTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


class RequireKeys(bootsteps.Step):
    """Keeps a worker from starting that could not read what the shop has encrypted."""

    def create(self, _parent: Any) -> None:
        from core.key_proofs import require_keys  # noqa: PLC0415 -- models need the app registry

        require_keys()


app.steps["worker"].add(RequireKeys)


class BeatingScheduler(Scheduler):
    """Sends what is due, and shows that it does."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        from core.heartbeat import record_heartbeat  # noqa: PLC0415 -- models need the app registry

        seconds: float = super().tick(*args, **kwargs)
        try:
            record_heartbeat("beat", now=timezone.now())
        except RedisError:
            # Its absence is what says that something is wrong.
            self.logger.warning("The heartbeat can't be written.")
        return seconds
