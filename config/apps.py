from django.apps import AppConfig

# Every process that can publish a task must have the Celery app loaded.
from config.celery import app as celery_app

__all__ = ["ConfigConfig", "celery_app"]


class ConfigConfig(AppConfig):
    name = "config"
