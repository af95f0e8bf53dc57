from django.db import migrations
from django.db.models import F

BATCH = 5000


def verify(apps, schema_editor):
    """Let those go on signing in who could before addresses were verified."""
    User = apps.get_model("accounts", "User")
    waiting = User.objects.filter(email_verified_at=None).order_by("pk")
    while ids := list(waiting.values_list("pk", flat=True)[:BATCH]):
        User.objects.filter(pk__in=ids).update(email_verified_at=F("created_at"))


class Migration(migrations.Migration):
    # Batch by batch, so that no row stays locked for long.
    atomic = False

    dependencies = [("accounts", "0017_account_tokens")]

    operations = [migrations.RunPython(verify, migrations.RunPython.noop)]
