from accounts.serializers._activity import ActivityEntrySerializer
from accounts.serializers._erasure import UndoErasureSerializer
from accounts.serializers._exports import ErasureSerializer, ExportSerializer
from accounts.serializers._factors import (
    CodeSerializer,
    CompleteMfaSerializer,
    MfaRequiredSerializer,
    RecoveryCodesSerializer,
    StepUpSerializer,
    TotpOfferSerializer,
)
from accounts.serializers._identities import (
    IdentitySerializer,
    LinkIdentitySerializer,
    OAuthCallbackSerializer,
    OAuthStartSerializer,
    ProviderSerializer,
    StartLinkSerializer,
    StartOAuthSerializer,
)
from accounts.serializers._keys import (
    ApiKeySerializer,
    ChangeApiKeySerializer,
    CreateApiKeySerializer,
    IssuedKeySerializer,
    RotateApiKeySerializer,
)
from accounts.serializers._passkeys import (
    PasskeyOptionsSerializer,
    PasskeySerializer,
    PasskeySignInSerializer,
    RegisterPasskeySerializer,
    RenamePasskeySerializer,
)
from accounts.serializers._profiles import (
    AddAddressSerializer,
    ChangePreferencesSerializer,
    ChangeProfileSerializer,
    ConsentEntrySerializer,
    OwnAddressSerializer,
    PreferencesSerializer,
)
from accounts.serializers._registering import (
    AddressOnlySerializer,
    ChangeEmailSerializer,
    ChangePasswordSerializer,
    ConfirmEmailSerializer,
    RegisterSerializer,
    ResetPasswordSerializer,
    VerifyEmailSerializer,
)
from accounts.serializers._sessions import LogoutSerializer, SessionSerializer
from accounts.serializers._signing_in import (
    RefreshSerializer,
    SignedInSerializer,
    SignInSerializer,
    TokenPairSerializer,
    UserSerializer,
)
from accounts.serializers._staff import (
    ChangeRoleSerializer,
    ChangeRolesSerializer,
    ManagedUserSerializer,
    RoleSerializer,
)

__all__ = [
    "ActivityEntrySerializer",
    "AddAddressSerializer",
    "AddressOnlySerializer",
    "ApiKeySerializer",
    "ChangeApiKeySerializer",
    "ChangeEmailSerializer",
    "ChangePasswordSerializer",
    "ChangePreferencesSerializer",
    "ChangeProfileSerializer",
    "ChangeRoleSerializer",
    "ChangeRolesSerializer",
    "CodeSerializer",
    "CompleteMfaSerializer",
    "ConfirmEmailSerializer",
    "ConsentEntrySerializer",
    "CreateApiKeySerializer",
    "ErasureSerializer",
    "ExportSerializer",
    "IdentitySerializer",
    "IssuedKeySerializer",
    "LinkIdentitySerializer",
    "LogoutSerializer",
    "ManagedUserSerializer",
    "MfaRequiredSerializer",
    "OAuthCallbackSerializer",
    "OAuthStartSerializer",
    "OwnAddressSerializer",
    "PasskeyOptionsSerializer",
    "PasskeySerializer",
    "PasskeySignInSerializer",
    "PreferencesSerializer",
    "ProviderSerializer",
    "RecoveryCodesSerializer",
    "RefreshSerializer",
    "RegisterPasskeySerializer",
    "RegisterSerializer",
    "RenamePasskeySerializer",
    "ResetPasswordSerializer",
    "RoleSerializer",
    "RotateApiKeySerializer",
    "SessionSerializer",
    "SignInSerializer",
    "SignedInSerializer",
    "StartLinkSerializer",
    "StartOAuthSerializer",
    "StepUpSerializer",
    "TokenPairSerializer",
    "TotpOfferSerializer",
    "UndoErasureSerializer",
    "UserSerializer",
    "VerifyEmailSerializer",
]
