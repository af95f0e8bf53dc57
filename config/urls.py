from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.static import serve
from drf_spectacular.views import (
    SpectacularJSONAPIView,
    SpectacularRedocView,
    SpectacularSwaggerView,
)

from accounts.admin import (
    AdminSignInView,
    admin_passkey_options,
    admin_proof_options,
    own_password,
    sign_out,
)
from core import pages
from core.bytes_cache import public_bytes
from core.health_details import details
from core.metrics import metrics
from core.renderers import JSONRenderer
from core.status import status_page

# Made from all views, which takes a second; kept, since only a new start changes it.
schema = public_bytes(
    SpectacularJSONAPIView.as_view(renderer_classes=[JSONRenderer]), namespace="schema"
)

# They are tried in turn, so what is asked for most comes first.
urlpatterns = [
    path(
        "api/v1/",
        include(
            [
                path("", include("orders.urls")),
                path("", include("catalog.urls")),
                path("", include("accounts.urls")),
                path("", include("inventory.urls")),
            ]
        ),
    ),
    path("", RedirectView.as_view(pattern_name="docs")),
    # Before the admin's own pages of these names.
    path("admin/login/", AdminSignInView.as_view()),
    path("admin/logout/", sign_out),
    path("admin/login/passkey/", admin_passkey_options, name="admin-passkey-options"),
    path("admin/password_change/", own_password),
    path("admin/prove/passkey/", admin_proof_options, name="admin-proof-options"),
    path("admin/", admin.site.urls),
    path("metrics", metrics),
    path("health/details", details),
    path("", include("notifications.urls")),
    path("api/schema", schema, name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(), name="docs"),
    path("api/redoc", SpectacularRedocView.as_view(), name="redoc"),
    path("status", status_page),
    path("problems", pages.problem_index),
    path("problems/<slug:slug>", pages.problem_page),
]

if settings.DEV_TOOLS:
    # Nothing else of MEDIA_ROOT: it also holds what staff uploaded for import.
    demo = {"document_root": settings.MEDIA_ROOT / "demo"}
    urlpatterns.append(path("media/demo/<path:path>", serve, demo))

handler400 = "core.problems.bad_request"
handler403 = "core.problems.permission_denied"
handler404 = "core.problems.not_found"
handler500 = "core.problems.server_error"
