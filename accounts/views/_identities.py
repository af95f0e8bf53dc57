from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors, services
from accounts.auth import current_user, device_of, providers
from accounts.exceptions import (
    IdentityInUseError,
    IdentityLinkRequiredError,
    IdentityProviderUnavailableError,
    InvalidTicketError,
    LastSignInMethodError,
    OAuthRefusedError,
    ProviderEmailUnverifiedError,
    RedirectUriRefusedError,
    StepUpRequiredError,
)
from accounts.models import Identity
from accounts.permissions import RecentlyProven
from accounts.serializers import (
    IdentitySerializer,
    LinkIdentitySerializer,
    OAuthCallbackSerializer,
    OAuthStartSerializer,
    ProviderSerializer,
    StartLinkSerializer,
    StartOAuthSerializer,
)
from accounts.views._signing_in import (
    SIGN_IN_OUTCOME,
    TokenView,
    sign_in_response,
)
from core.exceptions import NotFoundError
from core.views import ApiViewSet


class ProviderListView(TokenView):
    @extend_schema(
        operation_id="auth_oauth_providers",
        summary="List who else can sign you in",
        tags=["Accounts"],
        responses=ProviderSerializer(many=True),
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 -- DRF's signature
        return Response(ProviderSerializer(providers(), many=True).data)


class StartOAuthView(TokenView):
    problems = (
        NotFoundError,
        RedirectUriRefusedError,
        IdentityProviderUnavailableError,
    )

    @extend_schema(
        operation_id="auth_oauth_start",
        summary="Begin to sign in with a provider",
        tags=["Accounts"],
        request=StartOAuthSerializer,
        responses=OAuthStartSerializer,
    )
    def post(self, request: Request, provider: str) -> Response:
        given = StartOAuthSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        start = services.begin_oauth(
            provider=provider,
            redirect_uri=given.validated_data["redirect_uri"],
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(OAuthStartSerializer(start).data)


class OAuthCallbackView(TokenView):
    problems = (
        NotFoundError,
        OAuthRefusedError,
        ProviderEmailUnverifiedError,
        IdentityLinkRequiredError,
        IdentityProviderUnavailableError,
    )

    @extend_schema(
        operation_id="auth_oauth_callback",
        summary="Sign in with what the provider answered",
        tags=["Accounts"],
        request=OAuthCallbackSerializer,
        responses=SIGN_IN_OUTCOME,
    )
    def post(self, request: Request, provider: str) -> Response:
        given = OAuthCallbackSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        outcome = services.sign_in_with_provider(
            provider=provider,
            code=given.validated_data["code"],
            state=given.validated_data["state"],
            issuer=given.validated_data["iss"],
            device=device_of(request, name=given.validated_data["device_name"]),
            now=timezone.now(),
        )
        return sign_in_response(request, outcome)


class IdentityViewSet(ApiViewSet):
    serializer_class = IdentitySerializer
    pagination_class = None
    # The answers are to questions that count once.
    idempotency = "ignored"
    problems = {
        "start": (
            StepUpRequiredError,
            NotFoundError,
            RedirectUriRefusedError,
            IdentityProviderUnavailableError,
        ),
        "create": (
            StepUpRequiredError,
            NotFoundError,
            OAuthRefusedError,
            InvalidTicketError,
            IdentityInUseError,
            IdentityProviderUnavailableError,
        ),
        "destroy": (StepUpRequiredError, LastSignInMethodError),
    }

    def get_permissions(self) -> list[BasePermission]:
        return [IsAuthenticated() if self.action == "list" else RecentlyProven()]

    def get_queryset(self) -> QuerySet[Identity]:
        return selectors.identities_of(current_user(self.request))

    @extend_schema(
        summary="List the providers' accounts that sign you in",
        responses=IdentitySerializer(many=True),
    )
    def list(self, request: Request) -> Response:  # noqa: ARG002 -- DRF's signature
        return Response(IdentitySerializer(self.get_queryset(), many=True).data)

    @extend_schema(
        summary="Begin to link a provider's account",
        request=StartLinkSerializer,
        responses=OAuthStartSerializer,
    )
    def start(self, request: Request) -> Response:
        given = StartLinkSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        start = services.begin_oauth(
            **given.validated_data,
            user=current_user(request),
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(OAuthStartSerializer(start).data)

    @extend_schema(
        summary="Link a provider's account",
        request=LinkIdentitySerializer,
        responses={status.HTTP_201_CREATED: IdentitySerializer},
    )
    def create(self, request: Request) -> Response:
        given = LinkIdentitySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        identity = self._linked(request, **given.validated_data)
        return Response(IdentitySerializer(identity).data, status.HTTP_201_CREATED)

    def _linked(self, request: Request, **given: Any) -> Identity:
        common: dict[str, Any] = {
            "user": current_user(request),
            "device": device_of(request),
            "now": timezone.now(),
        }
        if "ticket" in given:
            return services.link_offered_identity(ticket=given["ticket"], **common)
        issuer = given.pop("iss", "")
        return services.link_identity(**given, issuer=issuer, **common)

    @extend_schema(
        summary="Unlink a provider's account",
        responses={status.HTTP_204_NO_CONTENT: None},
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        services.unlink_identity(
            user=current_user(request),
            identity_id=pk,
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)
