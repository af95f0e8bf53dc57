from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0015_exports_and_erasure"),
    ]

    operations = [
        migrations.AlterField(
            model_name="ceremony",
            name="kind",
            field=models.CharField(
                choices=[
                    ("mfa", "Mfa"),
                    ("admin_mfa", "Admin Mfa"),
                    ("passkey_registration", "Passkey Registration"),
                    ("passkey_sign_in", "Passkey Sign In"),
                    ("step_up", "Step Up"),
                    ("oauth_sign_in", "Oauth Sign In"),
                    ("oauth_link", "Oauth Link"),
                    ("identity_offer", "Identity Offer"),
                ],
                max_length=24,
            ),
        ),
    ]
