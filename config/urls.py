from django.contrib import admin
from django.urls import include, path

from core import pages
from core.metrics import metrics

urlpatterns = [
    path("admin/", admin.site.urls),
    path("metrics", metrics),
    path("", include("notifications.urls")),
    path("problems", pages.problem_index),
    path("problems/<slug:slug>", pages.problem_page),
    path(
        "api/v1/",
        include(
            [
                path("", include("accounts.urls")),
                path("", include("catalog.urls")),
                path("", include("inventory.urls")),
                path("", include("orders.urls")),
            ]
        ),
    ),
]

handler400 = "core.problems.bad_request"
handler403 = "core.problems.permission_denied"
handler404 = "core.problems.not_found"
handler500 = "core.problems.server_error"
