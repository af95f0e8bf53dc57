from accounts.serializers._signing_in import (
    RefreshSerializer,
    SignedInSerializer,
    SignInSerializer,
    TokenPairSerializer,
    UserSerializer,
)

__all__ = [
    "RefreshSerializer",
    "SignInSerializer",
    "SignedInSerializer",
    "TokenPairSerializer",
    "UserSerializer",
]
