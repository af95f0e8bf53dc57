"""The pages of the staff's administration, in unfold's look and with our manners.

Everything here and in the apps' ``admin.py`` is also valid on Django's own ModelAdmin,
so that the look can be exchanged by these few base classes.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import display
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.module_loading import import_string
from unfold.decorators import display as unfold_display

from core import audit
from core.errors import DomainError
from core.money import Money, format_money, known_currencies, parse_money

if TYPE_CHECKING:
    # Unfold has no types of its own; these are what it must be exchangeable with.
    from django.contrib import admin as look

    LookOfModelAdmin = look.ModelAdmin[Any]
    LookOfTabularInline = look.TabularInline[Any, Any]
    LookOfStackedInline = look.StackedInline[Any, Any]
    AnyAdmin = look.options.BaseModelAdmin[Any]
else:
    from unfold.admin import ModelAdmin as LookOfModelAdmin
    from unfold.admin import StackedInline as LookOfStackedInline
    from unfold.admin import TabularInline as LookOfTabularInline

    AnyAdmin = object


# What a service refused of the form that this request brought.
_REFUSAL = "_shopwright_refusal"


class ModelAdmin(LookOfModelAdmin):
    # Whether a change here asks for a fresh proof of who is there.
    is_sensitive = False
    list_per_page = 50
    # Labels above their fields: rows of several fields stay readable.
    compressed_fields = False
    # Counting a whole table for "1 of 3,000,000" costs more than the page itself.
    show_full_result_count = False

    @property
    def urls(self) -> list[URLPattern]:
        """Return every page's address, also of pages that a subclass has added."""
        patterns: list[URLPattern] = self.get_urls()
        if self.is_sensitive:
            guard = import_string(settings.SENSITIVE_PAGES_GUARD)
            for pattern in patterns:
                pattern.callback = guard(pattern.callback)
        return patterns

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show the form again, as it was sent, with what a service refused."""
        given = (request, object_id, form_url, extra_context)
        try:
            return super().changeform_view(*given)
        except DomainError as error:
            if request.method != "POST":
                raise
            setattr(request, _REFUSAL, error.detail)
            return super().changeform_view(*given)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002 -- Django's signature
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        refusal = getattr(request, _REFUSAL, None)
        return form if refusal is None else _refused(form, refusal)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return self._tell(request, super().changelist_view, extra_context)

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        return self._tell(request, super().delete_view, object_id, extra_context)

    def save_model(self, request: HttpRequest, *args: Any) -> None:
        audit.act_as(request.user.pk)
        super().save_model(request, *args)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        audit.act_as(request.user.pk)
        super().delete_model(request, obj)

    def _tell(self, request: HttpRequest, page: Callable[..., Any], *args: Any) -> Any:
        """Say what a service refused; the page's transaction has undone the rest."""
        try:
            return page(request, *args)
        except DomainError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def call_service(
        self,
        request: HttpRequest,
        rows: Iterable[Model],
        service: Callable[[Any], object],
        *,
        done: str,
    ) -> None:
        """Call a service for each row; tell how many it took, and why not the others."""
        taken = 0
        for row in rows:
            try:
                service(row)
            except DomainError as error:
                self.message_user(request, f"{row}: {error.detail}", messages.ERROR)
            else:
                taken += 1
        if taken:
            self.message_user(request, f"{done}: {taken}.", messages.SUCCESS)


def _refused(form: type[forms.BaseForm], refusal: str) -> type[forms.BaseForm]:
    def clean(self: forms.BaseForm) -> Any:
        cleaned = form.clean(self)
        self.add_error(None, refusal)
        return cleaned

    return type(form.__name__, (form,), {"clean": clean})


class ReadOnlyMixin:
    """History and what machines keep: to look at, never to edit by hand."""

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False


class ReadOnlyAdmin(ReadOnlyMixin, ModelAdmin):
    pass


class ActorMixin(AnyAdmin):
    """Shows in the column ``actor`` whose id is in ``actor_id``."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        names = [_actor_name(*entry) for entry in settings.ACTOR_NAMES.items()]
        named: QuerySet[Any] = rows.annotate(actor_name=Coalesce(*names))
        return named

    @display(description="By", empty_value="The shop itself")
    def actor(self, row: Any) -> str | None:
        return row.actor_name or (str(row.actor_id) if row.actor_id else None)


def _actor_name(label: str, column: str) -> Subquery:
    actors = apps.get_model(label)._default_manager.filter(pk=OuterRef("actor_id"))  # noqa: SLF001 -- Django documents it
    return Subquery(actors.values(column)[:1])


class TabularInline(LookOfTabularInline):
    extra = 0
    hide_title = True


class StackedInline(LookOfStackedInline):
    extra = 0


class ReadOnlyInline(ReadOnlyMixin, TabularInline):
    can_delete = False

    def get_readonly_fields(self, *_: Any) -> Any:
        return self.fields or ()


TONES = {
    **dict.fromkeys(("active", "paid", "completed", "captured", "sent"), "success"),
    **dict.fromkeys(("delivered", "fulfilled", "consumed"), "success"),
    **dict.fromkeys(("open", "authorized", "running", "queued"), "info"),
    **dict.fromkeys(("pending", "partially_refunded", "expired"), "warning"),
    **dict.fromkeys(("canceled", "failed", "dead", "bounced"), "danger"),
    "undelivered": "danger",
}


Column = Callable[[Any, Any], str]


def state_column(name: str) -> Column:
    """Make a column of a state's word, coloured by what it means."""

    def column(_: Any, row: Any) -> str:
        return str(getattr(row, f"get_{name}_display")())

    words = {state.replace("_", " ").title(): tone for state, tone in TONES.items()}
    title = name.replace("_", " ").capitalize()
    shown = unfold_display(column, description=title, ordering=name, label=words)
    return cast("Column", shown)


class MoneyForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A row with a currency and amounts in its minor units, edited as people write them."""

    amounts: ClassVar[tuple[str, ...]] = ("amount",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.amounts:
            column = self._meta.model._meta.get_field(name)  # noqa: SLF001 -- Django documents it
            self.fields[name] = forms.CharField(
                required=not column.null,
                max_length=20,
                widget=self.fields[name].widget.__class__(attrs={"type": "text"}),
                help_text="Such as 19.99",
            )
            amount = getattr(self.instance, name)
            if amount is not None:
                money = Money(amount, self.instance.currency)
                self.initial[name] = str(money.as_decimal())

    def clean_currency(self) -> str:
        code = str(self.cleaned_data["currency"]).upper()
        if code not in known_currencies():
            raise forms.ValidationError("That is no ISO 4217 currency code.")
        return code

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        for name in self.amounts:
            if "currency" in given and name in given:
                given[name] = self._minor_units(name, given[name], given["currency"])
        return given

    def _minor_units(self, name: str, text: str, currency: str) -> int | None:
        if not text:
            return None
        try:
            amount = parse_money(text, currency).amount
        except DomainError as error:
            self.add_error(name, error.detail)
            return None
        if amount < 0:
            self.add_error(name, "An amount can't be negative.")
        return amount


def money_text(amount: int | None, currency: str) -> str:
    return "-" if amount is None else format_money(Money(amount, currency))
