from accounts.views._activity import OwnActivityViewSet
from accounts.views._credentials import ChangeEmailView, ChangePasswordView
from accounts.views._erasure import UndoErasureView
from accounts.views._exports import ExportFileView, ExportViewSet
from accounts.views._factors import (
    CompleteMfaView,
    ConfirmTotpView,
    RecoveryCodesView,
    StepUpOptionsView,
    StepUpView,
    TotpView,
)
from accounts.views._identities import (
    IdentityViewSet,
    OAuthCallbackView,
    ProviderListView,
    StartOAuthView,
)
from accounts.views._keys import ApiKeyViewSet
from accounts.views._passkeys import (
    PasskeySignInOptionsView,
    PasskeySignInView,
    PasskeyViewSet,
)
from accounts.views._profiles import (
    MeView,
    OwnAddressViewSet,
    OwnConsentsViewSet,
    PreferencesView,
)
from accounts.views._registering import (
    ConfirmEmailView,
    ForgotPasswordView,
    RegisterView,
    ResendVerificationView,
    ResetPasswordView,
    VerifyEmailView,
)
from accounts.views._sessions import LogoutView, SessionViewSet
from accounts.views._signing_in import LoginView, RefreshView
from accounts.views._staff import RoleViewSet, UserViewSet

__all__ = [
    "ApiKeyViewSet",
    "ChangeEmailView",
    "ChangePasswordView",
    "CompleteMfaView",
    "ConfirmEmailView",
    "ConfirmTotpView",
    "ExportFileView",
    "ExportViewSet",
    "ForgotPasswordView",
    "IdentityViewSet",
    "LoginView",
    "LogoutView",
    "MeView",
    "OAuthCallbackView",
    "OwnActivityViewSet",
    "OwnAddressViewSet",
    "OwnConsentsViewSet",
    "PasskeySignInOptionsView",
    "PasskeySignInView",
    "PasskeyViewSet",
    "PreferencesView",
    "ProviderListView",
    "RecoveryCodesView",
    "RefreshView",
    "RegisterView",
    "ResendVerificationView",
    "ResetPasswordView",
    "RoleViewSet",
    "SessionViewSet",
    "StartOAuthView",
    "StepUpOptionsView",
    "StepUpView",
    "TotpView",
    "UndoErasureView",
    "UserViewSet",
    "VerifyEmailView",
]
