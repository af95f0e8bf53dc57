from typing import Any

from rest_framework import serializers

from accounts.constants import PASSWORD_MAX_LENGTH
from accounts.serializers._profiles import LocaleField
from core.serializers import MailboxField, StrictSerializer

# Ours have 43 characters.
SECRET_MAX_LENGTH = 128


class NewPasswordField(serializers.CharField):
    """Any characters, blanks at its ends included."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=PASSWORD_MAX_LENGTH,
            trim_whitespace=False,
            write_only=True,
            **kwargs,
        )


class CurrentPasswordField(serializers.CharField):
    def __init__(self) -> None:
        super().__init__(
            max_length=PASSWORD_MAX_LENGTH,
            trim_whitespace=False,
            write_only=True,
            default="",
            allow_blank=True,
            help_text="Left out by who has none.",
        )


class SecretField(serializers.CharField):
    def __init__(self) -> None:
        super().__init__(
            max_length=SECRET_MAX_LENGTH,
            write_only=True,
            help_text="From the link in the mail, behind `#token=`.",
        )


class RegisterSerializer(StrictSerializer):
    email = MailboxField()
    password = NewPasswordField()
    name = serializers.CharField(max_length=200, default="", allow_blank=True)
    locale = LocaleField(default="en", help_text="The language of our mails.")


class AddressOnlySerializer(StrictSerializer):
    email = MailboxField()


class VerifyEmailSerializer(StrictSerializer):
    token = SecretField()
    device_name = serializers.CharField(
        max_length=100, default="", allow_blank=True, write_only=True
    )


class ResetPasswordSerializer(StrictSerializer):
    token = SecretField()
    password = NewPasswordField()


class ChangePasswordSerializer(StrictSerializer):
    current_password = CurrentPasswordField()
    new_password = NewPasswordField()


class ChangeEmailSerializer(StrictSerializer):
    email = MailboxField()
    current_password = CurrentPasswordField()


class ConfirmEmailSerializer(StrictSerializer):
    token = SecretField()
