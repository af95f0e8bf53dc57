from django.db import connection, migrations

from core.sealed_columns import open_columns, seal_columns

COLUMNS = {
    "plain_shipping_address": "shipping_address",
    "plain_billing_address": "billing_address",
    "plain_note": "note",
}
MODELS = ("Cart", "Order")
# Again for nothing where a killed run has done it before.
COUNTRIES = """
UPDATE orders_order SET
    shipping_country = coalesce(plain_shipping_address ->> 'country', ''),
    shipping_region = coalesce(plain_shipping_address ->> 'region', ''),
    billing_country = coalesce(plain_billing_address ->> 'country', ''),
    billing_region = coalesce(plain_billing_address ->> 'region', '')
WHERE plain_note IS NOT NULL
"""


def seal(apps, schema_editor):
    with connection.cursor() as cursor:
        cursor.execute(COUNTRIES)
    for name in MODELS:
        seal_columns(apps.get_model("orders", name), COLUMNS, until_null="plain_note")


def unseal(apps, schema_editor):
    for name in MODELS:
        open_columns(apps.get_model("orders", name), COLUMNS, until_null="plain_note")


class Migration(migrations.Migration):
    # In batches, each for itself: a run that is killed is gone on with by the next.
    atomic = False
    dependencies = [("orders", "0005_room_for_sealed_addresses")]

    operations = [migrations.RunPython(seal, unseal)]
