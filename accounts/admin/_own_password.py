"""The administration's page on which staff change their own password."""

from typing import Any, cast
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.views import PasswordChangeView
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from unfold.forms import AdminOwnPasswordChangeForm

from accounts import services
from accounts.admin._browser_sessions import session_id_of
from accounts.admin._proofs import count_for, proven_first
from accounts.auth import Device, device_of
from accounts.constants import PASSWORD_MAX_LENGTH
from accounts.models import User
from accounts.selectors import second_steps


class OwnPasswordForm(AdminOwnPasswordChangeForm):  # type: ignore[misc]  # unfold has no types
    def __init__(
        self,
        user: User,
        *args: Any,
        device: Device,
        session_id: UUID | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(user, *args, **kwargs)
        self.device = device
        self.session_id = session_id
        for field in self.fields.values():
            field.validators.append(MaxLengthValidator(PASSWORD_MAX_LENGTH))

    def validate_password_for_user(self, user: User, *args: Any, **kwargs: Any) -> None:
        user.uses_mfa = bool(second_steps(user))
        super().validate_password_for_user(user, *args, **kwargs)

    def save(self, commit: bool = True) -> User:  # noqa: ARG002, FBT001, FBT002 -- Django's signature
        services.change_password(
            user=self.user,
            current=self.cleaned_data["old_password"],
            password=self.cleaned_data["new_password1"],
            session_id=self.session_id,
            device=self.device,
            now=timezone.now(),
        )
        # This browser's session goes on by the new hash.
        self.user.refresh_from_db(fields=["password"])
        return cast("User", self.user)


class OwnPasswordView(PasswordChangeView):
    """As Django's, through the service: other sessions end, and the owner is told."""

    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:password_change_done")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # The form takes the present password too, and is no place to guess it.
        count_for(request, reverse("auth-change-password"))
        return super().post(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {
            "device": device_of(self.request),
            "session_id": session_id_of(self.request),
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        site = admin.site.each_context(self.request)
        return site | super().get_context_data(**kwargs)


own_password = proven_first(admin.site.admin_view(OwnPasswordView.as_view()))
