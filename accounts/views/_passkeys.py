from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors, services
from accounts.auth import current_user, device_of
from accounts.exceptions import (
    LastSignInMethodError,
    PasskeyRefusedError,
    StepUpRequiredError,
    TooManyPasskeysError,
)
from accounts.models import Ceremony, Passkey
from accounts.permissions import RecentlyProven
from accounts.serializers import (
    PasskeyOptionsSerializer,
    PasskeySerializer,
    PasskeySignInSerializer,
    RegisterPasskeySerializer,
    RenamePasskeySerializer,
    SignedInSerializer,
)
from accounts.views._signing_in import TokenView, signed_in_response
from core.views import ApiViewSet


class PasskeyViewSet(ApiViewSet):
    serializer_class = PasskeySerializer
    pagination_class = None
    # The answers are to questions that count once.
    idempotency = "ignored"
    problems = {
        "registration_options": (StepUpRequiredError,),
        "create": (StepUpRequiredError, PasskeyRefusedError, TooManyPasskeysError),
        "destroy": (StepUpRequiredError, LastSignInMethodError),
    }

    def get_permissions(self) -> list[BasePermission]:
        is_sensitive = self.action in {"registration_options", "create", "destroy"}
        return [RecentlyProven() if is_sensitive else IsAuthenticated()]

    def get_queryset(self) -> QuerySet[Passkey]:
        return selectors.passkeys_of(current_user(self.request))

    @extend_schema(summary="List your passkeys", responses=PasskeySerializer(many=True))
    def list(self, request: Request) -> Response:  # noqa: ARG002 -- DRF's signature
        """At most twenty, the oldest first."""
        return Response(PasskeySerializer(self.get_queryset(), many=True).data)

    @extend_schema(
        summary="Ask for a new passkey",
        request=None,
        responses=PasskeyOptionsSerializer,
    )
    def registration_options(self, request: Request) -> Response:
        options = services.passkey_registration_options(
            user=current_user(request), device=device_of(request), now=timezone.now()
        )
        return Response({"public_key": options})

    @extend_schema(
        summary="Keep a new passkey",
        request=RegisterPasskeySerializer,
        responses={status.HTTP_201_CREATED: PasskeySerializer},
    )
    def create(self, request: Request) -> Response:
        given = RegisterPasskeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        passkey = services.register_passkey(
            user=current_user(request),
            device=device_of(request),
            now=timezone.now(),
            **given.validated_data,
        )
        return Response(PasskeySerializer(passkey).data, status.HTTP_201_CREATED)

    @extend_schema(
        summary="Rename a passkey",
        request=RenamePasskeySerializer,
        responses=PasskeySerializer,
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        given = RenamePasskeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        passkey = services.rename_passkey(
            user=current_user(request),
            passkey_id=pk,
            name=given.validated_data["name"],
        )
        return Response(PasskeySerializer(passkey).data)

    @extend_schema(
        summary="Remove a passkey", responses={status.HTTP_204_NO_CONTENT: None}
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        services.remove_passkey(
            user=current_user(request),
            passkey_id=pk,
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class PasskeySignInOptionsView(TokenView):
    @extend_schema(
        operation_id="auth_passkeys_login_options",
        summary="Ask for a passkey to sign in with",
        tags=["Accounts"],
        request=None,
        responses=PasskeyOptionsSerializer,
    )
    def post(self, request: Request) -> Response:
        options = services.passkey_sign_in_options(
            kind=Ceremony.Kind.PASSKEY_SIGN_IN,
            device=device_of(request),
            now=timezone.now(),
        )
        return Response({"public_key": options})


class PasskeySignInView(TokenView):
    problems = (PasskeyRefusedError,)

    @extend_schema(
        operation_id="auth_passkeys_login",
        summary="Sign in with a passkey",
        tags=["Accounts"],
        request=PasskeySignInSerializer,
        responses=SignedInSerializer,
    )
    def post(self, request: Request) -> Response:
        given = PasskeySignInSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        signed_in = services.sign_in_with_passkey(
            credential=given.validated_data["credential"],
            device=device_of(request, name=given.validated_data["device_name"]),
            now=timezone.now(),
        )
        return signed_in_response(request, signed_in)
