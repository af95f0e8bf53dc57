from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0023_sessions_by_short_passwords"),
    ]

    operations = [
        migrations.AlterField(
            model_name="ceremony",
            name="kind",
            field=models.CharField(
                choices=[
                    ("mfa", "Mfa"),
                    ("admin_mfa", "Admin Mfa"),
                    ("admin_mfa_passkey", "Admin Mfa Passkey"),
                    ("admin_sign_in", "Admin Sign In"),
                    ("admin_step_up", "Admin Step Up"),
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
