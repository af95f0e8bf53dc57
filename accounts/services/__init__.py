from accounts.services._people import assign_roles, create_user
from accounts.services._signing_in import SignIn, refresh_session, sign_in

__all__ = ["SignIn", "assign_roles", "create_user", "refresh_session", "sign_in"]
