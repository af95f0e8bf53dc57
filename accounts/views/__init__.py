from accounts.views._activity import OwnActivityViewSet
from accounts.views._factors import (
    CompleteMfaView,
    ConfirmTotpView,
    RecoveryCodesView,
    StepUpOptionsView,
    StepUpView,
    TotpView,
)
from accounts.views._keys import ApiKeyViewSet
from accounts.views._passkeys import (
    PasskeySignInOptionsView,
    PasskeySignInView,
    PasskeyViewSet,
)
from accounts.views._signing_in import LoginView, MeView, RefreshView

__all__ = [
    "ApiKeyViewSet",
    "CompleteMfaView",
    "ConfirmTotpView",
    "LoginView",
    "MeView",
    "OwnActivityViewSet",
    "PasskeySignInOptionsView",
    "PasskeySignInView",
    "PasskeyViewSet",
    "RecoveryCodesView",
    "RefreshView",
    "StepUpOptionsView",
    "StepUpView",
    "TotpView",
]
