"""A fresh proof of who is there, before what is sensitive is changed.

The pages name no way of proving: ``core.administration`` hands each sensitive one to
``settings.SENSITIVE_PAGES_GUARD``, which is ``proven_first``.
"""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts import services
from accounts.admin._passkeys import offered_passkey
from accounts.admin._sign_in_forms import CODE_MAX_LENGTH, WIDGET, CredentialField
from accounts.auth import device_of
from accounts.constants import (
    CLOCK_LEEWAY,
    PASSWORD_MAX_LENGTH,
    SECOND_FACTORS,
    Method,
)
from accounts.exceptions import StepUpFailedError
from accounts.models import Ceremony, User
from accounts.selectors import step_up_methods
from core.protection.limiter import count_as
from core.protection.principals import Principal

# In the browser's session: whether a second factor opened it, and when (Unix time) it
# was last proved who sits there.
SECOND_FACTOR = "accounts.second_factor"
_PROVEN_AT = "accounts.proven_at"
_PREFIX = "proof"
_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})

View = Callable[..., Any]


def note_proof(request: HttpRequest, *, now: datetime) -> None:
    request.session[_PROVEN_AT] = now.timestamp()


def is_proven(request: HttpRequest, *, now: datetime) -> bool:
    proven_at = request.session.get(_PROVEN_AT)
    if not isinstance(proven_at, int | float):
        return False
    age = now.timestamp() - proven_at
    return -CLOCK_LEEWAY.total_seconds() <= age < settings.STEP_UP_SECONDS


def count_for(request: HttpRequest, path: str) -> None:
    """Count the request as a call of the API's route by who is signed in.

    :raises QuotaExceededError:
    """
    caller = Principal("user", str(request.user.pk), "staff")
    count_as(request, path, principal=caller)


def proven_first(view: View) -> View:
    """Let a page change something only for who has proved lately who he is.

    Anybody else is asked in between, and what was typed waits in the page that asks: once
    he has proved it, the change goes on as it was sent.
    """

    @wraps(view)
    @sensitive_post_parameters(
        *(f"{_PREFIX}-{name}" for name in ("password", "code", "credential"))
    )
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method not in _HARMLESS and admin.site.has_permission(request):
            question = _question(request, now=timezone.now())
            if question is not None:
                return question
        return view(request, *args, **kwargs)

    return guarded


class ProofForm(forms.Form):
    password = forms.CharField(
        required=False,
        max_length=PASSWORD_MAX_LENGTH,
        strip=False,
        widget=forms.PasswordInput(
            {**WIDGET, "autofocus": True, "autocomplete": "current-password"}
        ),
    )
    code = forms.CharField(
        label="Code of your app, or a recovery code",
        required=False,
        max_length=CODE_MAX_LENGTH,
        widget=forms.TextInput(
            {**WIDGET, "autofocus": True, "autocomplete": "one-time-code"}
        ),
    )
    credential = CredentialField(required=False)

    def __init__(self, data: Any = None, *, methods: tuple[Method, ...]) -> None:
        super().__init__(data, prefix=_PREFIX)
        for name, method in _METHODS.items():
            if method not in methods:
                del self.fields[name]

    def is_sent(self) -> bool:
        return any(self.data.get(self.add_prefix(name)) for name in self.fields)


_METHODS = {
    "password": Method.PASSWORD,
    "code": Method.TOTP,
    "credential": Method.PASSKEY,
}


def _question(request: HttpRequest, *, now: datetime) -> HttpResponse | None:
    """Return the page that asks for a proof; None where there is one."""
    if is_proven(request, now=now):
        return None
    user = cast("User", request.user)
    form = ProofForm(request.POST, methods=step_up_methods(user))
    if not form.is_sent():
        return _page(request, ProofForm(methods=step_up_methods(user)))
    if not form.is_valid() or not _is_right(request, user, form, now):
        return _page(request, form)
    return None


def _is_right(request: HttpRequest, user: User, form: ProofForm, now: datetime) -> bool:
    count_for(request, reverse("auth-step-up"))
    try:
        method = services.verify_proof(
            kind=Ceremony.Kind.ADMIN_STEP_UP,
            user=user,
            device=device_of(request),
            now=now,
            **form.cleaned_data,
        )
    except StepUpFailedError as error:
        form.add_error(None, f"{error.title}. Try again.")
        return False
    # A session that may now do more gets another key.
    request.session.cycle_key()
    note_proof(request, now=now)
    if method in SECOND_FACTORS:
        request.session[SECOND_FACTOR] = True
    _forget_proof(request)
    return True


def _forget_proof(request: HttpRequest) -> None:
    """Leave of the form what the page behind is to see."""
    typed = request.POST.copy()
    for name in _typed_besides(request):
        del typed[name]
    request.POST = typed  # type: ignore[assignment]  # what Django's own handlers do


def _typed_besides(request: HttpRequest) -> list[str]:
    return [name for name in request.POST if name.startswith(f"{_PREFIX}-")]


def _page(request: HttpRequest, form: ProofForm) -> HttpResponse:
    besides = {*_typed_besides(request), "csrfmiddlewaretoken"}
    context = admin.site.each_context(request) | {
        "title": "Prove that it is you",
        "form": form,
        "back": _back(request),
        "typed": [
            (name, value)
            for name, values in request.POST.lists()
            for value in values
            if name not in besides
        ],
        "passkey": None,
    }
    if "credential" in form.fields:
        context["passkey"] = offered_passkey(
            request,
            options=reverse("admin-proof-options"),
            field=form.add_prefix("credential"),
        )
    response = TemplateResponse(request, "admin/prove.html", context)
    add_never_cache_headers(response)
    return response


def _back(request: HttpRequest) -> str:
    """Return the page that the form was sent from, as far as that is one of ours."""
    came_from = request.POST.get(f"{_PREFIX}-back") or request.META.get(
        "HTTP_REFERER", ""
    )
    is_ours = url_has_allowed_host_and_scheme(
        came_from, {request.get_host()}, require_https=request.is_secure()
    )
    return came_from if is_ours else reverse("admin:index")


@require_POST
@never_cache
def proof_options(request: HttpRequest) -> HttpResponse:
    """Answer the script of the page what to ask the browser for."""
    options = services.passkey_sign_in_options(
        kind=Ceremony.Kind.ADMIN_STEP_UP,
        user=cast("User", request.user),
        device=device_of(request),
        now=timezone.now(),
    )
    return JsonResponse({"public_key": options})


admin_proof_options = admin.site.admin_view(proof_options)
