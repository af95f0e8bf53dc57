from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.auth import current_user
from accounts.filters import ActivityParameters
from accounts.models import ActivityQuerySet
from accounts.serializers import ActivityEntrySerializer
from core.parameters import read_parameters
from core.views import ApiViewSet


class OwnActivityViewSet(ListModelMixin, ApiViewSet):
    permission_classes = (IsAuthenticated,)
    serializer_class = ActivityEntrySerializer
    ordering = ("-at", "-id")
    query_params = frozenset(ActivityParameters().fields)

    def get_queryset(self) -> ActivityQuerySet:
        return selectors.activity_of(
            user_id=current_user(self.request).pk,
            now=timezone.now(),
            **read_parameters(self.request, ActivityParameters),
        )

    @extend_schema(
        summary="List what happened to your account", parameters=[ActivityParameters]
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sign-ins, failures and changes of the last 400 days, the newest first."""
        return super().list(request, *args, **kwargs)
