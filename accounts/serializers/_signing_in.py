from rest_framework import serializers

from accounts.constants import EMAIL_MAX_LENGTH, PASSWORD_MAX_LENGTH
from accounts.models import User
from accounts.selectors import role_names
from core.serializers import StrictSerializer

# Ours have 43 characters; room for longer ones of later versions.
TOKEN_MAX_LENGTH = 4096


class UserSerializer(serializers.ModelSerializer[User]):
    email_verified = serializers.BooleanField(read_only=True)
    roles = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields: tuple[str, ...] = (
            "id",
            "email",
            "email_verified",
            "name",
            "roles",
            "locale",
            "timezone",
            "created_at",
        )
        read_only_fields: tuple[str, ...] = fields

    def get_roles(self, user: User) -> list[str]:
        return role_names(user)


class SignInSerializer(StrictSerializer):
    email = serializers.CharField(
        max_length=EMAIL_MAX_LENGTH, help_text="In any case: Anna@ is anna@."
    )
    password = serializers.CharField(
        max_length=PASSWORD_MAX_LENGTH, trim_whitespace=False, write_only=True
    )
    device_name = serializers.CharField(
        max_length=100,
        default="",
        allow_blank=True,
        write_only=True,
        help_text="What the list of sessions calls this device.",
    )


class RefreshSerializer(StrictSerializer):
    refresh = serializers.CharField(max_length=TOKEN_MAX_LENGTH)


class TokenPairSerializer(StrictSerializer):
    access = serializers.CharField(read_only=True, help_text="Valid for 15 minutes.")
    refresh = serializers.CharField(read_only=True, help_text="Valid for 7 days.")


class SignedInSerializer(TokenPairSerializer):
    user = UserSerializer(read_only=True)
