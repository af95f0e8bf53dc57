from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectMultipleWidget

from accounts import services
from accounts.constants import (
    API_KEY_LIFETIME,
    API_KEY_LONGEST_LIFETIME,
    API_KEY_MAX_PER_MINUTE,
    API_KEY_OVERLAP_HOURS,
    is_grantable,
)
from accounts.models import ApiKey, User
from accounts.selectors import api_keys, permission_names
from core.administration import ModelAdmin


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    scopes = forms.MultipleChoiceField(
        widget=UnfoldAdminSelectMultipleWidget,
        help_text="What the machine may do: at most what you may do yourself.",
    )
    requests_per_minute = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=API_KEY_MAX_PER_MINUTE,
        help_text="Empty: the limits that all keys have.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [name for name in permission_names() if is_grantable(name)]
        scopes = cast("forms.MultipleChoiceField", self.fields["scopes"])
        scopes.choices = [(name, name) for name in names]
        self.initial.setdefault("expires_at", timezone.now() + API_KEY_LIFETIME)
        self.initial["requests_per_minute"] = getattr(
            self.instance, "requests_per_minute", None
        )

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if "expires_at" in self.changed_data:
            now = timezone.now()
            if not now < expires_at <= now + API_KEY_LONGEST_LIFETIME:
                raise forms.ValidationError("Give a moment within the next two years.")
        return expires_at


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Its secret is shown in a message, once, and never again."""

    is_sensitive = True
    form = ApiKeyForm
    list_display = (
        "name",
        "shown_prefix",
        "state",
        "last_used_at",
        "expires_at",
        "created_by",
    )
    search_fields = ("name", "=prefix")
    ordering = ("-id",)
    fields = ("name", "scopes", "expires_at", "requests_per_minute")
    actions = ("rotate", "revoke")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:  # noqa: ARG002 -- Django's signature
        return api_keys(now=timezone.now())

    @admin.display(description="State")
    def state(self, key: ApiKey) -> str:
        return key.status(now=timezone.now())

    def has_change_permission(
        self, request: HttpRequest, obj: ApiKey | None = None
    ) -> bool:
        is_over = obj is not None and obj.revoked_at is not None
        return not is_over and super().has_change_permission(request, obj)

    def has_delete_permission(self, *_: Any) -> bool:
        # The audit log refers to keys: they are revoked, not deleted.
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiKey,
        form: Any,
        change: bool,  # noqa: FBT001 -- Django's signature
    ) -> None:
        actor = cast("User", request.user)
        given = {name: form.cleaned_data[name] for name in self.fields}
        if change:
            wanted = {name: given[name] for name in form.changed_data}
            services.change_api_key(key_id=obj.pk, changes=wanted, actor=actor)
            return
        issued = services.create_api_key(actor=actor, now=timezone.now(), **given)
        obj.pk = issued.key.pk
        self._show(request, issued)

    @admin.action(description="Give new secrets", permissions=["change"])
    def rotate(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        def turn(key: ApiKey) -> None:
            issued = services.rotate_api_key(
                key_id=key.pk,
                overlap=timedelta(hours=API_KEY_OVERLAP_HOURS),
                actor=cast("User", request.user),
                now=timezone.now(),
            )
            self._show(request, issued)

        done = f"Old secrets hold for {API_KEY_OVERLAP_HOURS} hours more"
        self.call_service(request, chosen, turn, done=done)

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        self.call_service(
            request,
            chosen,
            lambda key: services.revoke_api_key(
                key_id=key.pk, actor_id=request.user.pk, now=timezone.now()
            ),
            done="Revoked for good",
        )

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_apikey")

    def _show(self, request: HttpRequest, issued: services.IssuedKey) -> None:
        text = f"{issued.key.name}: {issued.secret} (copy it now, it is shown once)"
        self.message_user(request, text, messages.WARNING)
