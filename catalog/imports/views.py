from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.imports import ImportOptions, registered_stock_writer, submit_import
from catalog.imports.serializers import (
    CreateImportSerializer,
    ImportIssueSerializer,
    ImportJobSerializer,
)
from catalog.models import ImportIssue, ImportJob
from core.exceptions import (
    BodyTooLargeError,
    CircuitOpenError,
    InvalidParameterError,
    NotFoundError,
)
from core.permissions import requires
from core.protection import deadlines
from core.views import ApiViewSet, Problems

# The form around the file.
FORM_BYTES = 65_536


class ImportViewSet(ApiViewSet):
    """What the files of other shops bring in; the work is done by a worker."""

    permission_classes = [requires("catalog.add_importjob")]
    parser_classes = [MultiPartParser]
    # A file of the largest size takes its time to come.
    request_seconds = 28.0
    statement_seconds = deadlines.LONG_STATEMENT_SECONDS
    serializer_class = ImportJobSerializer
    problems: ClassVar[Mapping[str, Any]] = {
        "create": (BodyTooLargeError, CircuitOpenError),
        "retrieve": (NotFoundError,),
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before anything is read: the file goes to the disk as it comes.
        length = request.META.get("CONTENT_LENGTH") or "0"
        limit = settings.IMPORT_MAX_BYTES + FORM_BYTES
        if length.isdigit() and int(length) > limit:
            raise BodyTooLargeError(
                f"A file may have {settings.IMPORT_MAX_BYTES:,} bytes."
            )
        super().initial(request, *args, **kwargs)

    def problems_of(self, action: str) -> Problems:
        declared = super().problems_of(action)
        if action != "create":
            return declared
        return (*declared, *registered_stock_writer().problems)

    @extend_schema(
        summary="Import products",
        description=(
            "Takes a product export of Shopify and imports it in the background. What "
            "did not change since the last import is left alone."
        ),
        request={"multipart/form-data": CreateImportSerializer},
        responses={202: ImportJobSerializer},
    )
    def create(self, request: Request) -> Response:
        given = CreateImportSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        job = submit_import(
            file=asked["file"],
            options=ImportOptions(
                currency=asked["currency"],
                warehouse_code=asked["warehouse"],
                is_dry_run=asked["dry_run"],
                actor_id=request.user.pk,
            ),
            now=timezone.now(),
        )
        return Response(
            ImportJobSerializer(job).data,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": request.build_absolute_uri(f"imports/{job.pk}")},
        )

    @extend_schema(
        summary="Show an import",
        description="How far it is, and what came of each row.",
        responses=ImportJobSerializer,
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        job = ImportJob.objects.filter(pk=pk).first()
        if job is None:
            raise NotFoundError
        return Response(ImportJobSerializer(job).data)


class ImportIssueViewSet(ApiViewSet):
    permission_classes = [requires("catalog.add_importjob")]
    serializer_class = ImportIssueSerializer
    ordering = ("line", "id")
    query_params = frozenset({"severity"})
    problems = (NotFoundError,)

    @extend_schema(
        summary="List what an import refused or doubted",
        description="By line, with the column and the value; errors were refused.",
        parameters=[
            OpenApiParameter("severity", enum=list(ImportIssue.Severity.values))
        ],
        responses=ImportIssueSerializer(many=True),
    )
    def list(self, request: Request, pk: UUID) -> Response:
        issues = self._issues_of(pk, request.GET.get("severity"))
        page = self.paginate_queryset(issues)
        return self.get_paginated_response(ImportIssueSerializer(page, many=True).data)

    def _issues_of(self, pk: UUID, severity: str | None) -> QuerySet[ImportIssue]:
        if not ImportJob.objects.filter(pk=pk).exists():
            raise NotFoundError
        issues = ImportIssue.objects.filter(job=pk)
        if severity is None:
            return issues
        if severity not in ImportIssue.Severity.values:
            known = " or ".join(ImportIssue.Severity.values)
            raise InvalidParameterError(f"Give {known}.", parameter="severity")
        return issues.filter(severity=severity)
