from django.urls import path

from accounts import views

urlpatterns = [
    path("auth/login", views.LoginView.as_view(), name="auth-login"),
    path("auth/refresh", views.RefreshView.as_view(), name="auth-refresh"),
    path("auth/me", views.MeView.as_view(), name="auth-me"),
    path(
        "api-keys",
        views.ApiKeyViewSet.as_view({"get": "list", "post": "create"}),
        name="api-keys",
    ),
    path(
        "api-keys/<uuid:pk>",
        views.ApiKeyViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="api-key",
    ),
    path(
        "api-keys/<uuid:pk>/rotate",
        views.ApiKeyViewSet.as_view({"post": "rotate"}),
        name="api-key-rotate",
    ),
    path(
        "api-keys/<uuid:pk>/revoke",
        views.ApiKeyViewSet.as_view({"post": "revoke"}),
        name="api-key-revoke",
    ),
    path(
        "me/activity",
        views.OwnActivityViewSet.as_view({"get": "list"}),
        name="me-activity",
    ),
]
