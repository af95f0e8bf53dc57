from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.auth import current_session_id, current_user, device_of
from accounts.exceptions import StepUpRequiredError
from accounts.permissions import RecentlyProven
from accounts.serializers import ChangeEmailSerializer, ChangePasswordSerializer
from core.exceptions import ValidationFailedError
from core.views import ApiView


class ChangePasswordView(ApiView):
    permission_classes = (RecentlyProven,)
    idempotency = "ignored"
    problems = (ValidationFailedError, StepUpRequiredError)

    @extend_schema(
        operation_id="auth_change_password",
        summary="Change the password",
        tags=["Accounts"],
        request=ChangePasswordSerializer,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        """End all other sessions, and tell the owner by mail."""
        given = ChangePasswordSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.change_password(
            user=current_user(request),
            current=given.validated_data["current_password"],
            password=given.validated_data["new_password"],
            session_id=current_session_id(request),
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(status=204)


class ChangeEmailView(ApiView):
    permission_classes = (RecentlyProven,)
    idempotency = "ignored"
    problems = (ValidationFailedError, StepUpRequiredError)

    @extend_schema(
        operation_id="auth_change_email",
        summary="Change the address",
        tags=["Accounts"],
        request=ChangeEmailSerializer,
        responses={202: None},
    )
    def post(self, request: Request) -> Response:
        """Mail a link to the new address; the change holds once it was followed."""
        given = ChangeEmailSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.request_email_change(
            user=current_user(request),
            email=given.validated_data["email"],
            current=given.validated_data["current_password"],
            session_id=current_session_id(request),
            now=timezone.now(),
        )
        return Response(status=202)
