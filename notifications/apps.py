from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = "Messages"

    def ready(self) -> None:
        # Handlers subscribe when they are imported.
        from notifications import handlers, personal_data  # noqa: F401, PLC0415 -- only once apps are ready
