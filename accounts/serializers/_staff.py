from typing import Any

from django.contrib.auth.models import Group
from rest_framework import serializers

from accounts.constants import Role
from accounts.serializers._signing_in import UserSerializer
from core.serializers import StrictSerializer

MAX_ROLES = 50
MAX_PERMISSIONS = 1000


class ManagedUserSerializer(UserSerializer):
    last_login_at = serializers.DateTimeField(source="last_login", allow_null=True)

    class Meta(UserSerializer.Meta):
        fields: tuple[str, ...] = (
            *UserSerializer.Meta.fields,
            "is_active",
            "is_staff",
            "is_superuser",
            "last_login_at",
        )
        read_only_fields: tuple[str, ...] = fields


class ChangeRolesSerializer(StrictSerializer):
    roles = serializers.ListField(
        child=serializers.CharField(max_length=150),
        max_length=MAX_ROLES,
        help_text="All roles that the person is to have.",
    )


class RoleSerializer(serializers.ModelSerializer[Group]):
    permissions = serializers.SerializerMethodField()
    is_built_in = serializers.SerializerMethodField()
    people = serializers.IntegerField(help_text="How many people have the role.")

    class Meta:
        model = Group
        fields = ("name", "is_built_in", "people", "permissions")
        read_only_fields = fields

    def get_permissions(self, role: Any) -> list[str]:
        return sorted(
            f"{permission.content_type.app_label}.{permission.codename}"
            for permission in role.permissions.all()
        )

    def get_is_built_in(self, role: Any) -> bool:
        return role.name in set(Role)


class ChangeRoleSerializer(StrictSerializer):
    permissions = serializers.ListField(
        child=serializers.CharField(max_length=150),
        max_length=MAX_PERMISSIONS,
        help_text="All permissions that the role is to have.",
    )
