"""The door of the administration: a password and what follows it, or a passkey."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import RedirectURLMixin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django.views.generic import FormView

from accounts import services
from accounts.admin._browser_sessions import enter, is_open
from accounts.admin._passkeys import offered_passkey
from accounts.admin._proofs import SECOND_FACTOR, note_proof
from accounts.admin._sign_in_forms import (
    CodeForm,
    PasskeyForm,
    PasswordForm,
    ProofForm,
)
from accounts.auth import (
    TICKET_MAX_LENGTH,
    attempt_at,
    device_of,
    proof_of_device,
    user_of_ticket,
)
from accounts.constants import Method
from accounts.exceptions import PasskeyRefusedError, WrongCodeError
from accounts.selectors import second_factors_of
from core.errors import DomainError
from core.protection.limiter import count_as, give_back

_DEVICE_SECONDS = 180 * 86_400


def may_enter(request: HttpRequest) -> bool:
    """Tell whether the session opens the administration."""
    user = request.user
    if not (user.is_active and user.is_staff and is_open(request)):
        return False
    return not settings.STAFF_MFA_REQUIRED or bool(request.session.get(SECOND_FACTOR))


# Each page asks the site, so this holds for sessions from before the setting as well.
admin.site.has_permission = may_enter  # type: ignore[method-assign]  # meant


@method_decorator(
    sensitive_post_parameters("password", "code", "credential"), name="dispatch"
)
@method_decorator(never_cache, name="dispatch")
class AdminSignInView(RedirectURLMixin, FormView):  # type: ignore[type-arg]  # not generic at run time
    """Stands in for the login of Django's admin, at the same address.

    Guesses count together with those at the API: whom its limits stop, they stop here.
    """

    template_name = "admin/sign_in.html"

    def get_form_class(self) -> type[ProofForm]:
        given = self.request.POST
        if given.get("credential"):
            return PasskeyForm
        return CodeForm if given.get("ticket") else PasswordForm

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
        except PasskeyRefusedError as error:
            return self._again(f"{error.title}. Try again.")
        except DomainError as error:
            return self._refused(_first_form(self.request), _text_of(error))
        if isinstance(outcome, services.MfaRequired):
            asked = _second_form(outcome.methods)(initial={"ticket": outcome.ticket})
            return self.render_to_response(self.get_context_data(form=asked))
        return self._let_in(outcome, is_proven_twice=form.is_second_factor)

    def form_invalid(self, form: Any) -> HttpResponse:
        if isinstance(form, PasskeyForm):
            return self._again("That is no passkey's answer. Try again.")
        return super().form_invalid(form)

    def _again(self, why: str) -> HttpResponse:
        """Show the step at which a passkey was refused."""
        ticket = self.request.POST.get("ticket", "")
        methods = _methods_after(ticket)
        if not methods:
            return self._refused(_first_form(self.request), why)
        return self._refused(_second_form(methods)({"ticket": ticket}), why)

    def _refused(self, form: ProofForm, why: str) -> HttpResponse:
        form.full_clean()
        form.errors.clear()
        form.add_error(None, ValidationError(why))
        return self.render_to_response(self.get_context_data(form=form))

    def _let_in(
        self, admitted: services.AdminSignedIn, *, is_proven_twice: bool
    ) -> HttpResponse:
        user, session = admitted.user, admitted.session
        enter(self.request, user, session)
        self.request.session[SECOND_FACTOR] = is_proven_twice
        note_proof(self.request, now=timezone.now())
        give_back(self.request)
        response = HttpResponseRedirect(self.get_success_url())
        response.set_cookie(
            settings.DEVICE_COOKIE_NAME,
            proof_of_device(self.request, session.device_id, user),
            max_age=_DEVICE_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return response

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = kwargs["form"] if "form" in kwargs else self.get_form()
        ticket = form["ticket"].value() if "ticket" in form.fields else ""
        more = {
            "form": form,
            "title": "Log in",
            "app_path": self.request.get_full_path(),
            "next": self.get_success_url(),
            "second": bool(ticket),
            "passkey": None,
        }
        if not ticket or Method.PASSKEY in _methods_after(ticket):
            options = reverse("admin-passkey-options")
            more["passkey"] = offered_passkey(self.request, options=options)
        return super().get_context_data(
            **admin.site.each_context(self.request), **kwargs | more
        )


@require_POST
@never_cache
def admin_passkey_options(request: HttpRequest) -> HttpResponse:
    """Answer the script of the sign-in page what to ask the browser for."""
    count_as(request, reverse("auth-passkey-login-options"))
    options = services.admin_passkey_options(
        ticket=request.POST.get("ticket", "")[: TICKET_MAX_LENGTH + 1],
        device=device_of(request),
        now=timezone.now(),
    )
    return JsonResponse({"public_key": options})


def _methods_after(ticket: str) -> tuple[Method, ...]:
    """Name what may follow the password of whose ticket it is; empty: it is no ticket."""
    user_id = user_of_ticket(ticket)
    return () if user_id is None else second_factors_of(UUID(user_id))


def _first_form(request: HttpRequest) -> ProofForm:
    return PasswordForm({"username": request.POST.get("username", "")})


def _second_form(methods: Sequence[str]) -> type[ProofForm]:
    return CodeForm if Method.TOTP in methods else PasskeyForm


def _text_of(error: DomainError) -> str:
    return f"{error.title}. {error.cure}"
