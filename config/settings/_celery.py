from typing import Any

QUEUES = ("critical", "default", "bulk")


def celery_settings(broker_url: str) -> dict[str, Any]:
    return {
        "CELERY_BROKER_URL": _broker(broker_url),
        "CELERY_TASK_IGNORE_RESULT": True,
        "CELERY_TASK_ACKS_LATE": True,
        "CELERY_TASK_REJECT_ON_WORKER_LOST": True,
        "CELERY_TASK_DEFAULT_QUEUE": "default",
        "CELERY_TASK_TIME_LIMIT": 120,
        "CELERY_TASK_SOFT_TIME_LIMIT": 90,
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
        "CELERY_WORKER_HIJACK_ROOT_LOGGER": False,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_TIMEZONE": "UTC",
        "CELERY_BEAT_SCHEDULE": {},
    }


def _broker(url: str) -> str:
    """Say a socket's address, and the number of the database on it, in kombu's words."""
    if not url.startswith("unix://"):
        return url
    return url.replace("unix://", "redis+socket://", 1).replace(
        "?db=", "?virtual_host=", 1
    )
