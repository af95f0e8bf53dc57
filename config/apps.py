from django.apps import AppConfig

# Every process that can publish a task must have the Celery app loaded.
from config.celery import app as celery_app

__all__ = ["ConfigConfig", "celery_app"]


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        # Models are there only now.
        from accounts.selectors import (  # noqa: PLC0415 -- see above
            get_contact,
            get_email_change,
            get_session_notice,
        )
        from accounts.services import (  # noqa: PLC0415 -- see above
            write_erasure_notice,
            write_link,
        )
        from catalog import imports  # noqa: PLC0415 -- see above
        from config.counted_stock import CountedStock  # noqa: PLC0415 -- see above
        from notifications.services import register_subject  # noqa: PLC0415 -- see above
        from orders.selectors import get_order_summary  # noqa: PLC0415 -- see above

        imports.register_stock_writer(CountedStock())
        # Notifications knows orders by their events only; this is how it reads one.
        register_subject("order", get_order_summary)
        register_subject("person", get_contact)
        register_subject("account_link", write_link)
        register_subject("session", get_session_notice)
        register_subject("email_change", get_email_change)
        register_subject("erasure", write_erasure_notice)
