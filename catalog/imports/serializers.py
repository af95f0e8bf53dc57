from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.models import ImportIssue, ImportJob
from core.serializers import CurrencyField, StrictSerializer

FORMATS = ["shopify"]


class CreateImportSerializer(StrictSerializer):
    file = serializers.FileField(
        max_length=255, help_text="A CSV file that Shopify exported."
    )
    format = serializers.ChoiceField(choices=FORMATS, default="shopify")
    currency = CurrencyField(
        default=lambda: settings.SHOP_CURRENCY, help_text="Of the prices in the file."
    )
    warehouse = serializers.CharField(
        max_length=32,
        default="",
        allow_blank=True,
        help_text="The code of the warehouse whose stock the file counts; else the first.",
    )
    dry_run = serializers.BooleanField(
        default=False, help_text="Report what would happen, and write nothing."
    )


class ProgressSerializer(serializers.Serializer[Any]):
    bytes_read = serializers.IntegerField()
    bytes_total = serializers.IntegerField()


class ImportReportSerializer(serializers.Serializer[Any]):
    encoding = serializers.CharField()
    layout = serializers.CharField(help_text="The generation of the file's header.")
    currency = serializers.CharField()
    warehouse_code = serializers.CharField()
    is_dry_run = serializers.BooleanField()
    used_columns = serializers.ListField(child=serializers.CharField())
    ignored_columns = serializers.ListField(child=serializers.CharField())
    counts = serializers.DictField(child=serializers.IntegerField())
    errors = serializers.DictField(  # type: ignore[assignment]  # DRF takes fields out of the class
        child=serializers.IntegerField(), help_text="Refused, by code."
    )
    warnings = serializers.DictField(
        child=serializers.IntegerField(), help_text="Taken with a doubt, by code."
    )


class FailureSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()


class ImportJobSerializer(serializers.ModelSerializer[ImportJob]):
    warehouse = serializers.CharField(source="warehouse_code")
    dry_run = serializers.BooleanField(source="is_dry_run")
    progress = ProgressSerializer(source="*")
    report = ImportReportSerializer()
    failure = serializers.SerializerMethodField()

    class Meta:
        model = ImportJob
        fields = [
            "id",
            "status",
            "format",
            "file_name",
            "currency",
            "warehouse",
            "dry_run",
            "progress",
            "report",
            "failure",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field(FailureSerializer(allow_null=True))
    def get_failure(self, job: ImportJob) -> dict[str, str] | None:
        if not job.failure_code:
            return None
        return {"code": job.failure_code, "detail": job.failure_detail}


class ImportIssueSerializer(serializers.ModelSerializer[ImportIssue]):
    class Meta:
        model = ImportIssue
        fields = ["line", "column", "value", "severity", "code", "message"]
        read_only_fields = fields
