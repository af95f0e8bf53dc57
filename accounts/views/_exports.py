from typing import Any, ClassVar
from uuid import UUID

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts import selectors, services
from accounts.auth import current_user, device_of, is_export_token, make_export_token
from accounts.exceptions import (
    ExportDamagedError,
    ExportNotFoundError,
    StepUpRequiredError,
)
from accounts.models import Export
from accounts.permissions import RecentlyProven
from accounts.serializers import ExportSerializer
from core.permissions import Anyone
from core.views import ApiView, ApiViewSet


class ExportViewSet(ApiViewSet):
    """Everything that the shop holds on the person who is signed in."""

    serializer_class = ExportSerializer
    problems: ClassVar[dict[str, Any]] = {
        "create": (StepUpRequiredError,),
        "retrieve": (ExportNotFoundError,),
    }

    def get_permissions(self) -> list[BasePermission]:
        return [RecentlyProven() if self.action == "create" else IsAuthenticated()]

    @extend_schema(
        summary="Ask for everything the shop holds on you",
        description="A worker writes it into a ZIP of JSON files; while one is under way, that one is answered.",
        request=None,
        responses={202: ExportSerializer},
    )
    def create(self, request: Request) -> Response:
        export = services.request_export(
            user=current_user(request), device=device_of(request), now=timezone.now()
        )
        shown = _shown(export, request)
        return Response(
            shown,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": reverse("me-export", [export.pk], request=request)},
        )

    @extend_schema(
        summary="Show an export of yours",
        description="How far it is, and when it is ready a link to the file.",
        responses=ExportSerializer,
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        export = selectors.get_export(pk, user_id=current_user(request).pk)
        return Response(_shown(export, request))


def _shown(export: Export, request: Request) -> dict[str, Any]:
    is_ready = export.status == Export.Status.READY
    path = reverse("me-export-file", [export.pk], request=request)
    link = f"{path}?token={make_export_token(export.pk)}" if is_ready else None
    return dict(ExportSerializer(export, context={"download_url": link}).data)


class ExportFileView(ApiView):
    """The file itself, for whoever has the link of the last quarter of an hour."""

    authentication_classes = ()
    permission_classes = (Anyone,)
    query_params = frozenset({"token"})
    problems = (ExportNotFoundError, ExportDamagedError)

    @extend_schema(
        summary="Download an export",
        parameters=[OpenApiParameter("token", str, required=True)],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, pk: UUID) -> StreamingHttpResponse:
        if not is_export_token(request.GET.get("token", ""), pk):
            raise ExportNotFoundError
        export = selectors.get_ready_export(pk, now=timezone.now())
        file = selectors.open_export(export)
        name = f"my-data-{export.created_at:%Y-%m-%d}.zip"
        return StreamingHttpResponse(
            file.content,
            content_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Content-Length": str(file.size),
            },
        )
