from django.db import migrations

BATCH = 1000


def write_in_ascii(apps, schema_editor):
    """Give addresses of other alphabets the domain that their mail goes to.

    Where two accounts turn out to be one mailbox's, the one that has its plain spelling
    stays as it is, and so does the other, which nobody finds by signing in any more.
    """
    User = apps.get_model("accounts", "User")
    strange = User.objects.filter(email__regex=r"@.*[^\x01-\x7f]")
    for user in strange.only("pk", "email").iterator(BATCH):
        local, _, domain = user.email.rpartition("@")
        try:
            plain = f"{local}@{domain.encode('idna').decode().lower()}"
        except UnicodeError:
            continue
        if not User.objects.filter(email=plain).exists():
            User.objects.filter(pk=user.pk).update(email=plain)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0021_refuse_strange_mailboxes")]

    operations = [migrations.RunPython(write_in_ascii, migrations.RunPython.noop)]
