"""The door of the administration: a password, then a code where there is an app."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login
from django.contrib.auth.views import RedirectURLMixin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView
from unfold.widgets import BASE_INPUT_CLASSES

from accounts import services
from accounts.auth import (
    TICKET_MAX_LENGTH,
    Device,
    attempt_at,
    device_of,
    proof_of_device,
    user_of_ticket,
)
from accounts.constants import EMAIL_MAX_LENGTH, PASSWORD_MAX_LENGTH
from accounts.exceptions import WrongCodeError
from accounts.models import User
from core.errors import DomainError
from core.ids import uuid7
from core.protection.limiter import count_as, give_back

# In the browser's session: whether a second factor opened it.
SECOND_FACTOR = "accounts.second_factor"
_DEVICE_SECONDS = 180 * 86_400
_CODE_MAX_LENGTH = 64
_WIDGET = {"class": " ".join(BASE_INPUT_CLASSES)}


def may_enter(request: HttpRequest) -> bool:
    """Tell whether the session opens the administration."""
    user = request.user
    if not (user.is_active and user.is_staff):
        return False
    return not settings.STAFF_MFA_REQUIRED or bool(request.session.get(SECOND_FACTOR))


# Each page asks the site, so this holds for sessions from before the setting as well.
admin.site.has_permission = may_enter  # type: ignore[method-assign]  # meant


class PasswordForm(forms.Form):
    # The API's door to the same; its limits hold here.
    route = "auth-login"
    username = forms.CharField(
        label="Email",
        max_length=EMAIL_MAX_LENGTH,
        widget=forms.TextInput(
            {**_WIDGET, "autofocus": True, "autocomplete": "username"}
        ),
    )
    password = forms.CharField(
        max_length=PASSWORD_MAX_LENGTH,
        strip=False,
        widget=forms.PasswordInput({**_WIDGET, "autocomplete": "current-password"}),
    )

    def account(self) -> str:
        return str(self.cleaned_data["username"])

    def send(self, device: Device) -> User | services.MfaRequired:
        return services.begin_admin_sign_in(
            email=self.cleaned_data["username"],
            password=self.cleaned_data["password"],
            device=device,
            now=timezone.now(),
        )


class CodeForm(forms.Form):
    route = "auth-mfa"
    ticket = forms.CharField(max_length=TICKET_MAX_LENGTH, widget=forms.HiddenInput)
    code = forms.CharField(
        label="Code of your app, or a recovery code",
        max_length=_CODE_MAX_LENGTH,
        widget=forms.TextInput(
            {**_WIDGET, "autofocus": True, "autocomplete": "one-time-code"}
        ),
    )

    def account(self) -> str | None:
        return user_of_ticket(self.cleaned_data["ticket"])

    def send(self, device: Device) -> User | services.MfaRequired:
        return services.complete_admin_sign_in(
            ticket=self.cleaned_data["ticket"],
            code=self.cleaned_data["code"],
            device=device,
            now=timezone.now(),
        )


@method_decorator(sensitive_post_parameters("password", "code"), name="dispatch")
@method_decorator(never_cache, name="dispatch")
class AdminSignInView(RedirectURLMixin, FormView):  # type: ignore[type-arg]  # not generic at run time
    """Stands in for the login of Django's admin, at the same address.

    Guesses count together with those at the API: whom its limits stop, they stop here.
    """

    template_name = "admin/sign_in.html"

    def get_form_class(self) -> type[forms.Form]:
        return CodeForm if self.request.POST.get("ticket") else PasswordForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if admin.site.has_permission(request):
            return HttpResponseRedirect(self.get_success_url())
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        attempt = attempt_at(self.request, form.account())
        count_as(self.request, reverse(form.route), attempt=attempt)
        device = device_of(self.request)
        try:
            outcome = form.send(device)
        except WrongCodeError as error:
            form.add_error("code", error.title)
            return self.form_invalid(form)
        except DomainError as error:
            return self._from_the_start(error)
        if isinstance(outcome, services.MfaRequired):
            asked = CodeForm(initial={"ticket": outcome.ticket})
            return self.render_to_response(self.get_context_data(form=asked))
        return self._let_in(outcome, device)

    def _from_the_start(self, error: DomainError) -> HttpResponse:
        form = PasswordForm({"username": self.request.POST.get("username", "")})
        form.full_clean()
        form.errors.clear()
        form.add_error(None, ValidationError(f"{error.title}. {error.cure}"))
        return self.form_invalid(form)

    def _let_in(self, user: User, device: Device) -> HttpResponse:
        # Starts the session anew, so that one planted before is worth nothing.
        login(self.request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        self.request.session[SECOND_FACTOR] = bool(self.request.POST.get("ticket"))
        give_back(self.request)
        response = HttpResponseRedirect(self.get_success_url())
        response.set_cookie(
            settings.DEVICE_COOKIE_NAME,
            proof_of_device(self.request, device.id or uuid7(), user),
            max_age=_DEVICE_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return response

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        more = {
            "title": "Log in",
            "app_path": self.request.get_full_path(),
            "next": self.get_success_url(),
        }
        return super().get_context_data(
            **admin.site.each_context(self.request), **more, **kwargs
        )
