from accounts.serializers._activity import ActivityEntrySerializer
from accounts.serializers._keys import (
    ApiKeySerializer,
    ChangeApiKeySerializer,
    CreateApiKeySerializer,
    IssuedKeySerializer,
    RotateApiKeySerializer,
)
from accounts.serializers._signing_in import (
    RefreshSerializer,
    SignedInSerializer,
    SignInSerializer,
    TokenPairSerializer,
    UserSerializer,
)

__all__ = [
    "ActivityEntrySerializer",
    "ApiKeySerializer",
    "ChangeApiKeySerializer",
    "CreateApiKeySerializer",
    "IssuedKeySerializer",
    "RefreshSerializer",
    "RotateApiKeySerializer",
    "SignInSerializer",
    "SignedInSerializer",
    "TokenPairSerializer",
    "UserSerializer",
]
