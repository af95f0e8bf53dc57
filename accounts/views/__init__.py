from accounts.views._activity import OwnActivityViewSet
from accounts.views._signing_in import LoginView, MeView, RefreshView

__all__ = ["LoginView", "MeView", "OwnActivityViewSet", "RefreshView"]
