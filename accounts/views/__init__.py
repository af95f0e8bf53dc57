from accounts.views._activity import OwnActivityViewSet
from accounts.views._keys import ApiKeyViewSet
from accounts.views._signing_in import LoginView, MeView, RefreshView

__all__ = ["ApiKeyViewSet", "LoginView", "MeView", "OwnActivityViewSet", "RefreshView"]
