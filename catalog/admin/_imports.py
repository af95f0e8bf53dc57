from typing import Any

from django.contrib import admin

from catalog.models import ImportIssue, ImportJob
from core.administration import (
    ActorMixin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    state_column,
)


class ImportIssueInline(ReadOnlyInline):
    model = ImportIssue
    fields = ("line", "severity", "column", "value", "message")
    ordering = ("line", "pk")
    per_page = 50


@admin.register(ImportJob)
class ImportJobAdmin(ActorMixin, ReadOnlyAdmin):
    list_display = (
        "created_at",
        "file_name",
        "stage",
        "progress",
        "is_dry_run",
        "actor",
    )
    list_filter = ("status", "is_dry_run")
    search_fields = ("file_name",)
    ordering = ("-id",)
    inlines = (ImportIssueInline,)
    fields = (
        ("file_name", "format", "currency", "warehouse_code"),
        ("stage", "progress", "is_dry_run"),
        ("created_at", "started_at", "finished_at"),
        "report",
        "actor",
    )

    stage = state_column("status")

    @admin.display(description="Read")
    def progress(self, job: Any) -> str:
        return f"{100 * job.bytes_read // (job.bytes_total or 1)} %"
