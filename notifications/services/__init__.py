from notifications.services._notifying import notify, retry_delivery
from notifications.services._sending import record_outcome, send_delivery
from notifications.services._subjects import Subject, load_subject, register_subject

__all__ = [
    "Subject",
    "load_subject",
    "notify",
    "record_outcome",
    "register_subject",
    "retry_delivery",
    "send_delivery",
]
