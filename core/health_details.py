"""How the shop is, part by part, for staff and for what watches it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request

from core import audit_watch, health
from core.heartbeat import PROCESSES, heartbeat_state
from core.metrics import bears_token
from core.protection import gauges, traffic
from core.protection.line import line
from core.views import ApiView


def details(request: HttpRequest) -> HttpResponseBase:
    """Answer who bears ``METRICS_TOKEN``, is signed in to the admin, or is staff."""
    if bears_token(request) or admin.site.has_permission(request):
        return _answer()
    response: HttpResponseBase = _view(request)
    return response


class DetailsView(ApiView):
    permission_classes = (IsAdminUser,)
    schema = None

    def get(self, request: Request) -> HttpResponse:  # noqa: ARG002 -- DRF's signature
        return _answer()


_view = DetailsView.as_view()


def _answer() -> JsonResponse:
    checks = health.run_checks()
    found: dict[str, Any] = {
        "status": health.OK if set(checks.values()) == {health.OK} else "degraded",
        "checks": checks,
        "heartbeats": {name: heartbeat_state(name) for name in PROCESSES},
        "audit": audit_watch.status(),
        "valkey_out": line.is_out,
        "processes": gauges.of_processes(),
    }
    if checks["database"] == health.OK:
        found["switches"] = {row["name"]: row["mode"] for row in traffic.switches()}
        found["breakers"] = {
            row["name"]: {"processes": row["states"], "control": row["control"].state}
            for row in traffic.breakers()
        }
    return JsonResponse(found, headers={"Cache-Control": "no-store"})
