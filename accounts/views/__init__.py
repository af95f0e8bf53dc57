from accounts.views._signing_in import LoginView, MeView, RefreshView

__all__ = ["LoginView", "MeView", "RefreshView"]
