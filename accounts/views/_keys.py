from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors, services
from accounts.auth import current_user
from accounts.exceptions import (
    ApiKeyNotFoundError,
    ApiKeyRevokedError,
    GrantsTooMuchError,
    StepUpRequiredError,
    UnknownPermissionError,
)
from accounts.filters import ApiKeyParameters
from accounts.models import ApiKey
from accounts.permissions import RecentlyProven
from accounts.serializers import (
    ApiKeySerializer,
    ChangeApiKeySerializer,
    CreateApiKeySerializer,
    IssuedKeySerializer,
    RotateApiKeySerializer,
)
from core.parameters import read_parameters
from core.permissions import DenyAll, requires_of_person
from core.views import ApiViewSet

WISH_EXAMPLE = {
    "name": "Price import",
    "scopes": ["catalog.view_product", "catalog.change_price"],
    "requests_per_minute": 600,
}


class ApiKeyViewSet(ListModelMixin, ApiViewSet):
    serializer_class = ApiKeySerializer
    ordering = ("-id",)
    query_params = {"list": ApiKeyParameters().fields.keys()}
    # Their answers hold a secret, which must not be kept for a replay.
    idempotency = {"create": "ignored", "rotate": "ignored"}
    permissions: Mapping[str, tuple[type[BasePermission], ...]] = {
        "list": (requires_of_person("accounts.view_apikey"),),
        "retrieve": (requires_of_person("accounts.view_apikey"),),
        "create": (requires_of_person("accounts.add_apikey"), RecentlyProven),
        "partial_update": (requires_of_person("accounts.change_apikey"),),
        "rotate": (requires_of_person("accounts.change_apikey"), RecentlyProven),
        "revoke": (requires_of_person("accounts.delete_apikey"),),
    }
    problems = {
        "retrieve": (ApiKeyNotFoundError,),
        "create": (UnknownPermissionError, GrantsTooMuchError, StepUpRequiredError),
        "partial_update": (
            ApiKeyNotFoundError,
            ApiKeyRevokedError,
            UnknownPermissionError,
            GrantsTooMuchError,
        ),
        "rotate": (
            ApiKeyNotFoundError,
            ApiKeyRevokedError,
            GrantsTooMuchError,
            StepUpRequiredError,
        ),
        "revoke": (ApiKeyNotFoundError, ApiKeyRevokedError),
    }

    def get_permissions(self) -> list[BasePermission]:
        return [p() for p in self.permissions.get(self.action, (DenyAll,))]

    def get_queryset(self) -> QuerySet[ApiKey]:
        filters = read_parameters(self.request, ApiKeyParameters)
        return selectors.api_keys(now=timezone.now(), **filters)

    @extend_schema(parameters=[ApiKeyParameters])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List API keys, the newest first."""
        return super().list(request, *args, **kwargs)

    def retrieve(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Read an API key, but for its secret."""
        return self._shown(pk)

    @extend_schema(
        request=CreateApiKeySerializer,
        responses={201: IssuedKeySerializer},
        examples=[
            OpenApiExample("An import", value=WISH_EXAMPLE, request_only=True),
        ],
    )
    def create(self, request: Request) -> Response:
        """Make an API key out, and show its secret this once.

        A scope is a permission that you have yourself. What concerns people, roles, keys
        and limits is no scope: machines don't do that.
        """
        given = CreateApiKeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        issued = services.create_api_key(
            actor=current_user(request), now=timezone.now(), **given.validated_data
        )
        return self._issued(issued, status.HTTP_201_CREATED)

    @extend_schema(request=ChangeApiKeySerializer)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change an API key; it holds everywhere within 5 seconds."""
        given = ChangeApiKeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.change_api_key(
            key_id=pk, changes=given.validated_data, actor=current_user(request)
        )
        return self._shown(pk)

    @extend_schema(request=RotateApiKeySerializer, responses=IssuedKeySerializer)
    def rotate(self, request: Request, pk: UUID) -> Response:
        """Give an API key a new secret, shown this once.

        The old one holds for the overlap, so that the machine can change over.
        Only two secrets ever hold: a second rotation ends the first one's overlap.
        """
        given = RotateApiKeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        issued = services.rotate_api_key(
            key_id=pk,
            overlap=given.validated_data["overlap_hours"],
            actor=current_user(request),
            now=timezone.now(),
        )
        return self._issued(issued, status.HTTP_200_OK)

    @extend_schema(request=None)
    def revoke(self, request: Request, pk: UUID) -> Response:
        """Revoke an API key for good, in every process within 5 seconds."""
        services.revoke_api_key(
            key_id=pk, actor_id=current_user(request).pk, now=timezone.now()
        )
        return self._shown(pk)

    def _shown(self, key_id: UUID) -> Response:
        key = selectors.get_api_key(key_id)
        return Response(ApiKeySerializer(key).data)

    def _issued(self, issued: services.IssuedKey, status_code: int) -> Response:
        shown = ApiKeySerializer(selectors.get_api_key(issued.key.pk)).data
        return Response({**shown, "secret": issued.secret}, status=status_code)
