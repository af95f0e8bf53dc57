from django.db import migrations, models

from core.encryption import EncryptedJSONField, EncryptedTextField

ADDRESSES = ("shipping_address", "billing_address")


def make_room(model):
    """Set what rests in clear aside, and add the encrypted columns, empty at first."""
    for name in ADDRESSES:
        yield migrations.RenameField(model, name, f"plain_{name}")
        yield migrations.AlterField(
            model, f"plain_{name}", models.JSONField(null=True, blank=True)
        )
        yield migrations.AddField(
            model, name, EncryptedJSONField(null=True, blank=True)
        )
    yield migrations.RenameField(model, "note", "plain_note")
    # Without a default: on the way back, null says that a row is still to be opened.
    yield migrations.AlterField(model, "plain_note", models.TextField(null=True))
    yield migrations.AddField(model, "note", EncryptedTextField(null=True, blank=True))


class Migration(migrations.Migration):
    dependencies = [("orders", "0004_erasable_messages")]

    operations = [
        *make_room("cart"),
        *make_room("order"),
        *(
            migrations.AddField(
                "order",
                f"{kind}_{name}",
                models.CharField(blank=True, default="", max_length=length),
            )
            for kind in ("shipping", "billing")
            for name, length in (("country", 2), ("region", 100))
        ),
    ]
