"""What catalog holds on people: nothing but who of the staff did something."""

from catalog.models import ImportJob
from core.personal_data import tells_nothing
from core.retention import delete_some, kept_until, remove_by

tells_nothing(
    "catalog.ImportJob", because="A supplier's file; it names who sent it by id only."
)
remove_by(
    "imports",
    lambda now, limit: delete_some(
        ImportJob.objects.filter(finished_at__lt=kept_until("imports", now=now)), limit
    ),
)
