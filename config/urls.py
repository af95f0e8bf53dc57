from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
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
