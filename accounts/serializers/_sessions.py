from rest_framework import serializers

from accounts.models import Session
from accounts.serializers._signing_in import TOKEN_MAX_LENGTH
from core.serializers import StrictSerializer


class SessionSerializer(serializers.ModelSerializer[Session]):
    """Give it ``current_session_id`` in its context."""

    name = serializers.CharField(
        source="device_name", help_text="As the device called itself when signing in."
    )
    ip = serializers.CharField(
        source="address", help_text="The address it was last refreshed from."
    )
    methods = serializers.ListField(child=serializers.CharField())
    current = serializers.SerializerMethodField(
        help_text="Whether this request comes from it."
    )

    class Meta:
        model = Session
        fields = (
            "id",
            "name",
            "ip",
            "user_agent",
            "methods",
            "created_at",
            "last_seen_at",
            "expires_at",
            "current",
        )
        read_only_fields = fields

    def get_current(self, session: Session) -> bool:
        return bool(session.pk == self.context.get("current_session_id"))


class LogoutSerializer(StrictSerializer):
    refresh = serializers.CharField(
        max_length=TOKEN_MAX_LENGTH,
        default="",
        allow_blank=True,
        write_only=True,
        help_text="Of another session that is to end as well; not needed for this one.",
    )
