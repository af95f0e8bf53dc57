from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE orders_order_number START WITH 100001",
            "DROP SEQUENCE orders_order_number",
        ),
        migrations.AlterField(
            model_name="order",
            name="number",
            field=models.CharField(
                db_default=models.Func(
                    template="'SW-' || nextval('orders_order_number')"
                ),
                editable=False,
                max_length=32,
                unique=True,
            ),
        ),
    ]
