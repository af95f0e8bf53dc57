from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors, services
from accounts.auth import current_user, device_of
from accounts.exceptions import (
    AddressNotFoundError,
    LastAdminError,
    StepUpRequiredError,
    TooManyAddressesError,
)
from accounts.models import Address, ConsentEntry
from accounts.permissions import RecentlyProven
from accounts.serializers import (
    AddAddressSerializer,
    ChangePreferencesSerializer,
    ChangeProfileSerializer,
    ConsentEntrySerializer,
    ErasureSerializer,
    LeaveSerializer,
    OwnAddressSerializer,
    PreferencesSerializer,
    UserSerializer,
)
from accounts.views._signing_in import USER_EXAMPLE
from core.conditional import (
    PreconditionRequiredError,
    StaleVersionError,
    expected_version,
    set_etag,
)
from core.views import ApiView, ApiViewSet

_VERSIONED = (PreconditionRequiredError, StaleVersionError)


class MeView(ApiView):
    serializer_class = UserSerializer
    delete_form = LeaveSerializer
    problems = {"delete": (StepUpRequiredError, LastAdminError)}

    def get_permissions(self) -> list[BasePermission]:
        is_sensitive = self.request.method == "DELETE"
        return [RecentlyProven() if is_sensitive else IsAuthenticated()]

    @extend_schema(
        operation_id="auth_me",
        examples=[OpenApiExample("Anna", value=USER_EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """Read who is signed in."""
        # As it is now: a session's memory of its user may be some seconds old.
        user = selectors.get_profile(current_user(request).pk)
        return Response(UserSerializer(user).data)

    @extend_schema(operation_id="auth_me_change", request=ChangeProfileSerializer)
    def patch(self, request: Request) -> Response:
        """Change your name, language or time zone."""
        given = ChangeProfileSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        user = services.change_profile(
            user_id=current_user(request).pk,
            changes=given.validated_data,
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(UserSerializer(user).data)

    @extend_schema(operation_id="auth_me_delete", responses={202: ErasureSerializer})
    def delete(self, request: Request) -> Response:
        """Have your account and all that tells of you erased.

        It asks for the password. After 14 days, unless you sign in before. All sessions
        end now.
        """
        given = LeaveSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        erase_after = services.leave(
            user=current_user(request),
            password=given.validated_data["password"],
            device=device_of(request),
            now=timezone.now(),
        )
        shown = ErasureSerializer({"erase_after": erase_after}).data
        return Response(shown, status=status.HTTP_202_ACCEPTED)


class PreferencesView(ApiView):
    permission_classes = (IsAuthenticated,)
    serializer_class = PreferencesSerializer
    problems = {"patch": _VERSIONED}

    def get(self, request: Request) -> Response:
        """Read your language, currency, time zone and consent to marketing."""
        return self._shown(request)

    @extend_schema(request=ChangePreferencesSerializer)
    def patch(self, request: Request) -> Response:
        """Change your preferences.

        Whether you agree to advertising is kept with its history, as the law asks.
        """
        version = expected_version(request)
        given = ChangePreferencesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.change_preferences(
            user_id=current_user(request).pk,
            version=version,
            changes=given.validated_data,
            device=device_of(request),
            now=timezone.now(),
        )
        return self._shown(request)

    def _shown(self, request: Request) -> Response:
        chosen = selectors.get_preferences(current_user(request).pk)
        response = Response(PreferencesSerializer(chosen).data)
        set_etag(response, chosen.version)
        return response


class OwnConsentsViewSet(ListModelMixin, ApiViewSet):
    permission_classes = (IsAuthenticated,)
    serializer_class = ConsentEntrySerializer
    ordering = ("-at", "-id")

    def get_queryset(self) -> QuerySet[ConsentEntry]:
        return selectors.consents_of(current_user(self.request).pk)

    @extend_schema(summary="List when you agreed to advertising, and when not")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)


class OwnAddressViewSet(ListModelMixin, ApiViewSet):
    permission_classes = (IsAuthenticated,)
    serializer_class = OwnAddressSerializer
    ordering = ("id",)
    problems = {
        "create": (TooManyAddressesError,),
        "retrieve": (AddressNotFoundError,),
        "partial_update": (AddressNotFoundError, *_VERSIONED),
        "destroy": (AddressNotFoundError, *_VERSIONED),
    }

    def get_queryset(self) -> QuerySet[Address]:
        return selectors.addresses_of(current_user(self.request).pk)

    @extend_schema(summary="List your addresses")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Read one of your addresses."""
        return self._shown(self._own(request, pk))

    @extend_schema(request=AddAddressSerializer, responses={201: OwnAddressSerializer})
    def create(self, request: Request) -> Response:
        """Add an address; the first is the default for everything.

        It is checked by the rules of its country. There may be fifty.
        """
        given = AddAddressSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        address = services.add_address(
            user_id=current_user(request).pk,
            fields=given.validated_data,
            device=device_of(request),
            now=timezone.now(),
        )
        return self._shown(address, status.HTTP_201_CREATED)

    @extend_schema(request=AddAddressSerializer)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change one of your addresses, or make it a default."""
        version = expected_version(request)
        given = AddAddressSerializer(
            self._own(request, pk), data=request.data, partial=True
        )
        given.is_valid(raise_exception=True)
        address = services.change_address(
            user_id=current_user(request).pk,
            address_id=pk,
            version=version,
            changes=given.validated_data,
            device=device_of(request),
            now=timezone.now(),
        )
        return self._shown(address)

    def destroy(self, request: Request, pk: UUID) -> Response:
        """Forget one of your addresses; your orders keep their own copy."""
        services.remove_address(
            user_id=current_user(request).pk,
            address_id=pk,
            version=expected_version(request),
            device=device_of(request),
            now=timezone.now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _own(self, request: Request, address_id: UUID) -> Address:
        return selectors.get_address(
            user_id=current_user(request).pk, address_id=address_id
        )

    def _shown(
        self, address: Address, status_code: int = status.HTTP_200_OK
    ) -> Response:
        response = Response(OwnAddressSerializer(address).data, status=status_code)
        set_etag(response, address.version)
        return response
