from typing import Any

QUEUES = ("critical", "default", "bulk")

# What isn't named here goes to the queue "default".
ROUTES = {
    "accounts.tasks.forget_ceremonies": {"queue": "bulk"},
    "core.tasks.relay_outbox": {"queue": "critical"},
    "core.tasks.beat_heart": {"queue": "critical"},
    "catalog.tasks.recount_search_words": {"queue": "bulk"},
    "core.tasks.apply_retention": {"queue": "bulk"},
    "core.tasks.verify_audit": {"queue": "bulk"},
    "inventory.tasks.sweep_reservations": {"queue": "critical"},
    # It waits for providers, and nothing that is critical may wait for it.
    "orders.tasks.settle_payments": {"queue": "default"},
    "catalog.tasks.run_import": {"queue": "bulk"},
    "accounts.tasks.run_export": {"queue": "bulk"},
    "accounts.tasks.erase_due_people": {"queue": "bulk"},
    "orders.tasks.check_ledger": {"queue": "bulk"},
}

# Everything that happens by itself: task → seconds between two runs. Each is a sweep
# that finds its work in the database, so a missed or doubled run does no harm.
SCHEDULE = {
    "accounts.tasks.forget_ceremonies": 60 * 60,
    "core.tasks.relay_outbox": 2,
    "core.tasks.beat_heart": 10,
    "catalog.tasks.recount_search_words": 60 * 60,
    "core.tasks.apply_retention": 10 * 60,
    "core.tasks.seal_audit": 10,
    "core.tasks.verify_audit": 10 * 60,
    "inventory.tasks.sweep_reservations": 30,
    "orders.tasks.settle_payments": 5,
    "catalog.tasks.resume_imports": 30,
    "accounts.tasks.resume_exports": 30,
    "accounts.tasks.erase_due_people": 60 * 60,
    "orders.tasks.check_ledger": 10 * 60,
    "accounts.tasks.rotate_signing_key": 60 * 60,
}

BROKER_OPTIONS = {
    # A message that isn't acknowledged comes back after this. The longest task must be
    # shorter; the work itself comes back sooner, through the sweeps.
    "visibility_timeout": 60 * 60,
    # Critical before default before bulk, in the order the worker is given.
    "queue_order_strategy": "priority",
    # A broker that is gone or hangs costs a publishing request a moment at most.
    "socket_connect_timeout": 1,
    "socket_timeout": 3,
    "socket_keepalive": True,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    # Notices a half-open connection, which would leave the worker deaf.
    "health_check_interval": 10,
}


def celery_settings(broker_url: str) -> dict[str, Any]:
    return {
        "CELERY_BROKER_URL": _broker(broker_url),
        "CELERY_BROKER_CONNECTION_TIMEOUT": 1,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        # A worker waits for the broker to come back, however long that takes.
        "CELERY_BROKER_CONNECTION_MAX_RETRIES": None,
        "CELERY_BROKER_TRANSPORT_OPTIONS": BROKER_OPTIONS,
        "CELERY_TASK_IGNORE_RESULT": True,
        "CELERY_TASK_ACKS_LATE": True,
        "CELERY_TASK_REJECT_ON_WORKER_LOST": True,
        "CELERY_TASK_DEFAULT_QUEUE": "default",
        "CELERY_TASK_QUEUES": {name: {} for name in QUEUES},
        "CELERY_TASK_ROUTES": ROUTES,
        "CELERY_TASK_TIME_LIMIT": 120,
        "CELERY_TASK_SOFT_TIME_LIMIT": 90,
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
        "CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS": True,
        "CELERY_WORKER_HIJACK_ROOT_LOGGER": False,
        # Nobody listens to remote control, and its chatter keeps idle shops busy.
        "CELERY_WORKER_ENABLE_REMOTE_CONTROL": False,
        "CELERY_WORKER_SEND_TASK_EVENTS": False,
        "CELERY_TIMEZONE": "UTC",
        # Intervals start anew with the process, so no file that a crash could spoil.
        "CELERY_BEAT_SCHEDULER": "config.celery.BeatingScheduler",
        "CELERY_BEAT_SCHEDULE": {
            # Expires with the next round, so that no pile awaits a worker that was away.
            task: {"task": task, "schedule": seconds, "options": {"expires": seconds}}
            for task, seconds in SCHEDULE.items()
        },
    }


def _broker(url: str) -> str:
    """Say a socket's address, and the number of the database on it, in kombu's words."""
    if not url.startswith("unix://"):
        return url
    return url.replace("unix://", "redis+socket://", 1).replace(
        "?db=", "?virtual_host=", 1
    )
