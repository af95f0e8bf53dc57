from django.urls import path

from accounts import views

urlpatterns = [
    path("auth/login", views.LoginView.as_view(), name="auth-login"),
    path("auth/refresh", views.RefreshView.as_view(), name="auth-refresh"),
    path("auth/me", views.MeView.as_view(), name="auth-me"),
    path(
        "me/activity",
        views.OwnActivityViewSet.as_view({"get": "list"}),
        name="me-activity",
    ),
]
