"""The page on which staff see and steer what protects the shop."""

import re
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core.models import BreakerControl, Switch
from core.protection import services, traffic

_CLOSE = "close"
_NUMBERS = (
    ("answered", "Requests per second"),
    ("limited", "Over quota per second"),
    ("shed", "Shed per second"),
    ("inflight", "Running / limit"),
    ("queued", "Waiting"),
    ("processes", "Processes"),
)
_CHARTS = (
    ("status", "Requests per second, by status"),
    ("priority", "Requests per second, by priority (0 most important)"),
    ("load", "Running, waiting, and the limit"),
    ("refused", "Refused per second: over quota, shed, by an open breaker"),
)
_CONTROLS = (
    *BreakerControl.State.choices,
    (_CLOSE, "Close now"),
)
_MOST_DIGITS = 12


class SwitchForm(forms.Form):
    name = forms.ChoiceField(choices=Switch.Name.choices)
    mode = forms.ChoiceField(
        choices=[("", "As the environment says"), *Switch.Mode.choices], required=False
    )


class BreakerForm(forms.Form):
    name = forms.CharField(max_length=100)
    action = forms.ChoiceField(choices=_CONTROLS)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name not in {breaker["name"] for breaker in traffic.breakers()}:
            raise forms.ValidationError(f"There is no breaker {name}.")
        return name


@require_GET
def page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    _require(request, "core.view_switch")
    context: dict[str, Any] = site.each_context(request) | {
        "title": "Traffic",
        "numbers": _NUMBERS,
        "charts": _CHARTS,
        "controls": _CONTROLS,
        "switches": traffic.switches(),
        "modes": Switch.Mode.choices,
        "breakers": traffic.breakers(),
        "may_switch": request.user.has_perm("core.change_switch"),
        "may_control": request.user.has_perm("core.change_breakercontrol"),
    }
    return TemplateResponse(request, "admin/core/traffic.html", context)


@require_GET
def figures(request: HttpRequest) -> HttpResponse:
    _require(request, "core.view_switch")
    after = request.GET.get("after", "0")
    is_number = re.fullmatch(rf"[0-9]{{1,{_MOST_DIGITS}}}", after)
    return JsonResponse(traffic.figures(after=int(after) if is_number else 0))


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    _require(request, "core.change_switch")
    form = SwitchForm(request.POST)
    if form.is_valid():
        services.set_switch(**form.cleaned_data, actor_id=request.user.pk)
        label = Switch.Name(form.cleaned_data["name"]).label
        _tell(request, f"{label}: switched.")
    return _back(request, form)


@require_POST
def control(request: HttpRequest) -> HttpResponse:
    _require(request, "core.change_breakercontrol")
    form = BreakerForm(request.POST)
    if form.is_valid():
        name, action = form.cleaned_data["name"], form.cleaned_data["action"]
        if action == _CLOSE:
            services.close_breaker(name=name, actor_id=request.user.pk)
        else:
            services.control_breaker(name=name, state=action, actor_id=request.user.pk)
        _tell(request, f"{name}: set.")
    return _back(request, form)


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _tell(request: HttpRequest, done: str) -> None:
    messages.success(request, f"{done} Every process follows within five seconds.")


def _back(request: HttpRequest, form: forms.Form) -> HttpResponse:
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))
    return HttpResponseRedirect(reverse("admin:core_traffic"))
