from rest_framework import serializers

from accounts.auth import LINK_TOKEN_MAX_LENGTH
from accounts.serializers._registering import CurrentPasswordField
from core.serializers import StrictSerializer


class LeaveSerializer(StrictSerializer):
    password = CurrentPasswordField()


class UndoErasureSerializer(StrictSerializer):
    token = serializers.CharField(
        max_length=LINK_TOKEN_MAX_LENGTH, help_text="What the mail's link ends with."
    )
