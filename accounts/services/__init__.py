from accounts.services._activity import (
    erase_activity,
    record_activity,
    remove_outdated_activity,
)
from accounts.services._people import assign_roles, create_user
from accounts.services._signing_in import SignIn, refresh_session, sign_in

__all__ = [
    "SignIn",
    "assign_roles",
    "create_user",
    "erase_activity",
    "record_activity",
    "refresh_session",
    "remove_outdated_activity",
    "sign_in",
]
