from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar

from django import forms
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget

from core.administration import ModelAdmin


class LinesField(forms.CharField):
    """A list of texts, one in a line: unlike commas, no text has a line's end in it."""

    def __init__(self, *, rows: int = 2, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": rows}))
        kwargs.setdefault("help_text", "One in a line.")
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in str(value or "").splitlines()]
        return [line for line in lines if line]

    def run_validators(self, value: Any) -> None:
        for line in value:
            super().run_validators(line)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class VersionedForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Remembers which version its reader saw, so that nobody's change is undone unseen."""

    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    labels: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.labels.keys() & self.fields.keys():
            self.fields[name].label = self.labels[name]
        self.initial["seen_version"] = self.instance.version

    @property
    def version(self) -> int:
        return int(self.cleaned_data.get("seen_version") or self.instance.version)

    def changes(self, names: Collection[str]) -> dict[str, Any]:
        """Return what was edited of these columns, with relations as ids."""
        given: dict[str, Any] = {}
        for name in self.changed_data:
            if name not in names:
                continue
            value = self.cleaned_data[name]
            if isinstance(value, QuerySet):
                given[name] = [row.pk for row in value]
            elif isinstance(value, Model):
                given[f"{name}_id"] = value.pk
            elif value is None and self._meta.model._meta.get_field(name).is_relation:  # noqa: SLF001 -- Django documents it
                given[f"{name}_id"] = None
            else:
                given[name] = value
        return given


class CatalogAdmin(ModelAdmin):
    """Saves nothing by itself: subclasses hand what was edited to the services."""

    def save_related(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        # The services have saved the form's own relations; Django would do so again.
        for formset in formsets:
            self.save_formset(request, form, formset, change=change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_row(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_row(request, row)

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        raise NotImplementedError


def edited(formset: Any) -> Iterator[Any]:
    """Yield the forms of rows to add or change, and tell Django's log of them."""
    formset.new_objects, formset.changed_objects = [], []
    formset.deleted_objects = [form.instance for form in formset.deleted_forms]
    for form in formset.forms:
        if form in formset.deleted_forms or not form.has_changed():
            continue
        if is_new(form):
            formset.new_objects.append(form.instance)
        else:
            formset.changed_objects.append((form.instance, form.changed_data))
        yield form


def is_new(form: Any) -> bool:
    return bool(form.instance._state.adding)  # noqa: SLF001 -- Django documents it
