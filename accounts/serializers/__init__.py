from accounts.serializers._activity import ActivityEntrySerializer
from accounts.serializers._signing_in import (
    RefreshSerializer,
    SignedInSerializer,
    SignInSerializer,
    TokenPairSerializer,
    UserSerializer,
)

__all__ = [
    "ActivityEntrySerializer",
    "RefreshSerializer",
    "SignInSerializer",
    "SignedInSerializer",
    "TokenPairSerializer",
    "UserSerializer",
]
