from django.db import migrations, models
from django.db.models.functions import MD5


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_product_document")]

    operations = [
        migrations.RemoveConstraint(
            model_name="image", name="catalog_image_unique_url"
        ),
        migrations.AddConstraint(
            model_name="image",
            constraint=models.UniqueConstraint(
                models.F("product"), MD5("url"), name="catalog_image_unique_url"
            ),
        ),
    ]
