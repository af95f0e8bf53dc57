from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from catalog.imports import ImportOptions, submit_import
from catalog.models import ImportIssue, ImportJob
from core.administration import (
    ActorMixin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    state_column,
)
from core.money import known_currencies


class ImportIssueInline(ReadOnlyInline):
    model = ImportIssue
    fields = ("line", "severity", "column", "value", "message")
    ordering = ("line", "pk")
    per_page = 50


class ImportForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = ImportJob
        fields = ("file", "currency", "warehouse_code", "is_dry_run")
        labels = {"warehouse_code": "Warehouse", "is_dry_run": "Dry run"}
        help_texts = {
            "file": "A CSV file of products that Shopify exported.",
            "currency": "Of the prices in the file.",
            "warehouse_code": "The code of the warehouse whose stock it counts; "
            "else the first.",
            "is_dry_run": "Report what would happen, and write nothing.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].required = True
        self.initial.setdefault("currency", settings.SHOP_CURRENCY)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.IMPORT_MAX_BYTES:
            raise forms.ValidationError(
                f"A file may have {settings.IMPORT_MAX_BYTES:,} bytes."
            )
        return file

    def clean_currency(self) -> str:
        code = str(self.cleaned_data["currency"]).upper()
        if code not in known_currencies():
            raise forms.ValidationError("That is no ISO 4217 currency code.")
        return code


@admin.register(ImportJob)
class ImportJobAdmin(ActorMixin, ReadOnlyAdmin):
    """Takes a file and shows what came of it; a worker does the import."""

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

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return request.user.has_perm("catalog.add_importjob")

    def get_form(
        self, request: HttpRequest, obj: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = ImportForm
        return super().get_form(request, obj, *args, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj else ImportForm.Meta.fields

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return super().get_inlines(request, obj) if obj else ()

    def save_model(
        self,
        request: HttpRequest,
        obj: ImportJob,
        form: Any,
        change: bool,  # noqa: ARG002, FBT001 -- Django's signature
    ) -> None:
        given = form.cleaned_data
        job = submit_import(
            file=given["file"],
            options=ImportOptions(
                currency=given["currency"],
                warehouse_code=given["warehouse_code"],
                is_dry_run=given["is_dry_run"],
                actor_id=request.user.pk,
            ),
            now=timezone.now(),
        )
        obj.pk, obj.file_name = job.pk, job.file_name
