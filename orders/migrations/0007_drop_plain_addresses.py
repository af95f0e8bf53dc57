from django.db import migrations

from core.encryption import EncryptedJSONField, EncryptedTextField

PLAIN = ("plain_shipping_address", "plain_billing_address", "plain_note")


def require_note(model):
    # First without a default: no one text can be sealed for all rows that lack it.
    for field in (EncryptedTextField(), EncryptedTextField(blank=True, default="")):
        yield migrations.AlterField(model, "note", field)


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_seal_addresses")]

    operations = [
        *require_note("cart"),
        *require_note("order"),
        migrations.AlterField("order", "shipping_address", EncryptedJSONField()),
        migrations.AlterField("order", "billing_address", EncryptedJSONField()),
        *(
            migrations.RemoveField(model, name)
            for model in ("cart", "order")
            for name in PLAIN
        ),
    ]
