from django.urls import path

from accounts import views

urlpatterns = [
    path(
        "auth/change-email", views.ChangeEmailView.as_view(), name="auth-change-email"
    ),
    path(
        "auth/change-password",
        views.ChangePasswordView.as_view(),
        name="auth-change-password",
    ),
    path(
        "auth/confirm-email",
        views.ConfirmEmailView.as_view(),
        name="auth-confirm-email",
    ),
    path(
        "auth/forgot-password",
        views.ForgotPasswordView.as_view(),
        name="auth-forgot-password",
    ),
    path("auth/register", views.RegisterView.as_view(), name="auth-register"),
    path(
        "auth/resend-verification",
        views.ResendVerificationView.as_view(),
        name="auth-resend-verification",
    ),
    path(
        "auth/reset-password",
        views.ResetPasswordView.as_view(),
        name="auth-reset-password",
    ),
    path(
        "auth/verify-email", views.VerifyEmailView.as_view(), name="auth-verify-email"
    ),
    path("auth/login", views.LoginView.as_view(), name="auth-login"),
    path("auth/mfa", views.CompleteMfaView.as_view(), name="auth-mfa"),
    path("auth/mfa/totp", views.TotpView.as_view(), name="auth-totp"),
    path(
        "auth/mfa/totp/confirm",
        views.ConfirmTotpView.as_view(),
        name="auth-totp-confirm",
    ),
    path(
        "auth/mfa/recovery-codes",
        views.RecoveryCodesView.as_view(),
        name="auth-recovery-codes",
    ),
    path(
        "auth/passkeys",
        views.PasskeyViewSet.as_view({"get": "list", "post": "create"}),
        name="auth-passkeys",
    ),
    path(
        "auth/passkeys/options",
        views.PasskeyViewSet.as_view({"post": "registration_options"}),
        name="auth-passkey-options",
    ),
    path(
        "auth/passkeys/login",
        views.PasskeySignInView.as_view(),
        name="auth-passkey-login",
    ),
    path(
        "auth/passkeys/login/options",
        views.PasskeySignInOptionsView.as_view(),
        name="auth-passkey-login-options",
    ),
    path(
        "auth/passkeys/<uuid:pk>",
        views.PasskeyViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="auth-passkey",
    ),
    path(
        "auth/oauth/providers",
        views.ProviderListView.as_view(),
        name="auth-oauth-providers",
    ),
    path(
        "auth/oauth/<slug:provider>/start",
        views.StartOAuthView.as_view(),
        name="auth-oauth-start",
    ),
    path(
        "auth/oauth/<slug:provider>/callback",
        views.OAuthCallbackView.as_view(),
        name="auth-oauth-callback",
    ),
    path(
        "me/identities",
        views.IdentityViewSet.as_view({"get": "list", "post": "create"}),
        name="me-identities",
    ),
    path(
        "me/identities/start",
        views.IdentityViewSet.as_view({"post": "start"}),
        name="me-identities-start",
    ),
    path(
        "me/identities/<uuid:pk>",
        views.IdentityViewSet.as_view({"delete": "destroy"}),
        name="me-identity",
    ),
    path("auth/step-up", views.StepUpView.as_view(), name="auth-step-up"),
    path(
        "auth/step-up/options",
        views.StepUpOptionsView.as_view(),
        name="auth-step-up-options",
    ),
    path("auth/refresh", views.RefreshView.as_view(), name="auth-refresh"),
    path("auth/logout", views.LogoutView.as_view(), name="auth-logout"),
    path(
        "auth/sessions",
        views.SessionViewSet.as_view({"get": "list", "delete": "end_others"}),
        name="auth-sessions",
    ),
    path(
        "auth/sessions/<uuid:pk>",
        views.SessionViewSet.as_view({"delete": "end"}),
        name="auth-session",
    ),
    path(
        "auth/undo-erasure", views.UndoErasureView.as_view(), name="auth-undo-erasure"
    ),
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
    path("me/preferences", views.PreferencesView.as_view(), name="me-preferences"),
    path(
        "me/preferences/consents",
        views.OwnConsentsViewSet.as_view({"get": "list"}),
        name="me-consents",
    ),
    path(
        "me/addresses",
        views.OwnAddressViewSet.as_view({"get": "list", "post": "create"}),
        name="me-addresses",
    ),
    path(
        "me/addresses/<uuid:pk>",
        views.OwnAddressViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
        name="me-address",
    ),
    path("users", views.UserViewSet.as_view({"get": "list"}), name="users"),
    path(
        "users/<uuid:pk>",
        views.UserViewSet.as_view({"get": "retrieve"}),
        name="user",
    ),
    path(
        "users/<uuid:pk>/password-reset",
        views.UserViewSet.as_view({"post": "reset_password"}),
        name="user-password-reset",
    ),
    path(
        "users/<uuid:pk>/deactivate",
        views.UserViewSet.as_view({"post": "deactivate"}),
        name="user-deactivate",
    ),
    path(
        "users/<uuid:pk>/reactivate",
        views.UserViewSet.as_view({"post": "reactivate"}),
        name="user-reactivate",
    ),
    path(
        "users/<uuid:pk>/sessions",
        views.UserViewSet.as_view({"delete": "end_sessions"}),
        name="user-sessions",
    ),
    path(
        "users/<uuid:pk>/mfa-reset",
        views.UserViewSet.as_view({"post": "reset_mfa"}),
        name="user-mfa-reset",
    ),
    path(
        "users/<uuid:pk>/roles",
        views.UserViewSet.as_view({"put": "change_roles"}),
        name="user-roles",
    ),
    path("roles", views.RoleViewSet.as_view({"get": "list"}), name="roles"),
    path("roles/<str:name>", views.RoleViewSet.as_view({"put": "change"}), name="role"),
    path(
        "me/activity",
        views.OwnActivityViewSet.as_view({"get": "list"}),
        name="me-activity",
    ),
    path(
        "me/exports",
        views.ExportViewSet.as_view({"post": "create"}),
        name="me-exports",
    ),
    path(
        "me/exports/<uuid:pk>",
        views.ExportViewSet.as_view({"get": "retrieve"}),
        name="me-export",
    ),
    path(
        "me/exports/<uuid:pk>/file",
        views.ExportFileView.as_view(),
        name="me-export-file",
    ),
]
