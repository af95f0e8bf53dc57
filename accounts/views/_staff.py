from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors, services
from accounts.auth import current_user
from accounts.exceptions import (
    AlreadyDeactivatedError,
    GrantsTooMuchError,
    LastAdminError,
    NoSecondFactorError,
    NotDeactivatedError,
    OutrankedError,
    RoleNotFoundError,
    StepUpRequiredError,
    UnknownPermissionError,
    UnknownRoleError,
    UserNotFoundError,
)
from accounts.filters import UserParameters
from accounts.models import User
from accounts.permissions import RecentlyProven
from accounts.serializers import (
    ChangeRoleSerializer,
    ChangeRolesSerializer,
    ManagedUserSerializer,
    RoleSerializer,
)
from core.parameters import read_parameters
from core.permissions import DenyAll, requires, requires_of_person
from core.views import ApiViewSet

_MANAGING = (UserNotFoundError, OutrankedError)


class UserViewSet(ListModelMixin, ApiViewSet):
    """People, as staff see them."""

    serializer_class = ManagedUserSerializer
    ordering = ("-created_at", "-id")
    query_params = {"list": UserParameters().fields.keys()}
    permissions: Mapping[str, tuple[type[BasePermission], ...]] = {
        "list": (requires("accounts.view_user"),),
        "retrieve": (requires("accounts.view_user"),),
        "reset_password": (requires_of_person("accounts.view_user"),),
        "deactivate": (requires_of_person("accounts.change_user"),),
        "reactivate": (requires_of_person("accounts.change_user"),),
        "end_sessions": (requires_of_person("accounts.change_user"),),
        "reset_mfa": (requires_of_person("accounts.change_user"), RecentlyProven),
        "change_roles": (requires_of_person("accounts.change_user"), RecentlyProven),
    }
    problems = {
        "retrieve": (UserNotFoundError,),
        "reset_password": (*_MANAGING, AlreadyDeactivatedError),
        "deactivate": (*_MANAGING, AlreadyDeactivatedError, LastAdminError),
        "reactivate": (*_MANAGING, NotDeactivatedError),
        "end_sessions": _MANAGING,
        "reset_mfa": (*_MANAGING, NoSecondFactorError, StepUpRequiredError),
        "change_roles": (
            *_MANAGING,
            GrantsTooMuchError,
            LastAdminError,
            StepUpRequiredError,
            UnknownRoleError,
        ),
    }

    def get_permissions(self) -> list[BasePermission]:
        return [p() for p in self.permissions.get(self.action, (DenyAll,))]

    def idempotency_subject(self) -> str:
        return f"user:{self.kwargs['pk']}"

    def get_queryset(self) -> QuerySet[User]:
        filters = read_parameters(self.request, UserParameters)
        return selectors.users_matching(**filters)

    @extend_schema(summary="Search for people", parameters=[UserParameters])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    def retrieve(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        """Read about a person."""
        return self._shown(pk)

    @extend_schema(request=None, responses={202: None})
    def reset_password(self, request: Request, pk: UUID) -> Response:
        """Mail a person a link to a new password; only its owner sets one."""
        services.offer_password_reset(
            user_id=pk, actor=current_user(request), now=timezone.now()
        )
        return Response(status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None)
    def deactivate(self, request: Request, pk: UUID) -> Response:
        """Close an account: nobody signs in, and its sessions end."""
        services.deactivate_user(
            user_id=pk, actor=current_user(request), now=timezone.now()
        )
        return self._shown(pk)

    @extend_schema(request=None)
    def reactivate(self, request: Request, pk: UUID) -> Response:
        """Open a closed account again."""
        services.reactivate_user(
            user_id=pk, actor=current_user(request), now=timezone.now()
        )
        return self._shown(pk)

    @extend_schema(request=None, responses={204: None})
    def end_sessions(self, request: Request, pk: UUID) -> Response:
        """Sign a person out everywhere; the account stays open."""
        services.end_persons_sessions(
            user_id=pk, actor=current_user(request), now=timezone.now()
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={204: None})
    def reset_mfa(self, request: Request, pk: UUID) -> Response:
        """Take app, recovery codes and passkeys from somebody who has lost them.

        All sessions end and the owner is told by mail. Make sure first that it is he who
        asks: the password alone signs in afterwards.
        """
        services.reset_second_factors(
            user_id=pk, actor=current_user(request), now=timezone.now()
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=ChangeRolesSerializer)
    def change_roles(self, request: Request, pk: UUID) -> Response:
        """Give a person these roles and no others.

        Nobody gives more than he has, acts on who has more, or removes the last admin.
        """
        given = ChangeRolesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.change_roles(
            user_id=pk,
            roles=given.validated_data["roles"],
            actor=current_user(request),
            now=timezone.now(),
        )
        return self._shown(pk)

    def _shown(self, user_id: UUID) -> Response:
        return Response(ManagedUserSerializer(selectors.get_user(user_id)).data)


class RoleViewSet(ListModelMixin, ApiViewSet):
    serializer_class = RoleSerializer
    ordering = ("name",)
    permissions: Mapping[str, tuple[type[BasePermission], ...]] = {
        "list": (requires_of_person("auth.view_group"),),
        "change": (requires_of_person("auth.change_group"), RecentlyProven),
    }
    problems = {
        "change": (
            GrantsTooMuchError,
            LastAdminError,
            RoleNotFoundError,
            StepUpRequiredError,
            UnknownPermissionError,
        )
    }

    def get_permissions(self) -> list[BasePermission]:
        return [p() for p in self.permissions.get(self.action, (DenyAll,))]

    def get_queryset(self) -> QuerySet[Group]:
        return selectors.roles()

    @extend_schema(summary="List the roles and what they may do")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(request=ChangeRoleSerializer)
    def change(self, request: Request, name: str) -> Response:
        """Give a role these permissions and no others.

        It holds for everybody who has the role, everywhere within 5 seconds.
        """
        given = ChangeRoleSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.change_role(
            name=name,
            permissions=given.validated_data["permissions"],
            actor=current_user(request),
        )
        return Response(RoleSerializer(selectors.get_role(name)).data)
