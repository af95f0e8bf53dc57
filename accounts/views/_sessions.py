from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors, services
from accounts.auth import current_session_id, current_user, device_of
from accounts.exceptions import StepUpRequiredError
from accounts.models import SessionQuerySet
from accounts.permissions import RecentlyProven
from accounts.serializers import LogoutSerializer, SessionSerializer
from core.exceptions import NotFoundError
from core.views import ApiView, ApiViewSet


class SessionViewSet(ListModelMixin, ApiViewSet):
    serializer_class = SessionSerializer
    ordering = ("-last_seen_at", "-id")
    problems = {
        "end": (NotFoundError, StepUpRequiredError),
        "end_others": (StepUpRequiredError,),
    }

    def get_permissions(self) -> list[BasePermission]:
        # Or a thief could sign the owner out, and stay.
        is_others = self.action in {"end", "end_others"} and not self._is_own()
        return [RecentlyProven() if is_others else IsAuthenticated()]

    def _is_own(self) -> bool:
        request, named = getattr(self, "request", None), self.kwargs.get("pk")
        return bool(request and named and named == current_session_id(request))

    def get_queryset(self) -> SessionQuerySet:
        return selectors.open_sessions_of(
            current_user(self.request).pk, now=timezone.now()
        )

    def get_serializer_context(self) -> dict[str, Any]:
        current = current_session_id(self.request)
        return {**super().get_serializer_context(), "current_session_id": current}

    @extend_schema(
        operation_id="auth_sessions_list",
        summary="List where you are signed in",
        tags=["Accounts"],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Answer the one that was seen last first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        operation_id="auth_sessions_end_others",
        summary="Sign out everywhere else",
        tags=["Accounts"],
        request=None,
        responses={204: None},
    )
    def end_others(self, request: Request) -> Response:
        services.sign_out_elsewhere(
            user_id=current_user(request).pk,
            keep=current_session_id(request),
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(status=204)

    @extend_schema(
        operation_id="auth_sessions_end",
        summary="Sign one device out",
        description="Without a fresh proof it signs out this session only.",
        tags=["Accounts"],
        request=None,
        responses={204: None},
    )
    def end(self, request: Request, pk: UUID) -> Response:
        services.sign_device_out(
            pk,
            user_id=current_user(request).pk,
            current=current_session_id(request),
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(status=204)


class LogoutView(ApiView):
    permission_classes = (IsAuthenticated,)
    idempotency = "ignored"

    @extend_schema(
        operation_id="auth_logout",
        summary="Sign out",
        tags=["Accounts"],
        request=LogoutSerializer,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        """End the session on every node within five seconds, and on this one at once."""
        given = LogoutSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.sign_out(
            user_id=current_user(request).pk,
            session_id=current_session_id(request),
            refresh=given.validated_data["refresh"],
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(status=204)
