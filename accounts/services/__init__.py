from accounts.services._activity import (
    erase_activity,
    record_activity,
    remove_outdated_activity,
)
from accounts.services._people import assign_roles, create_user
from accounts.services._refreshing import refresh_session
from accounts.services._sessions import end_session, end_sessions, start_session
from accounts.services._signing_in import SignedIn, complete_sign_in, sign_in

__all__ = [
    "SignedIn",
    "assign_roles",
    "complete_sign_in",
    "create_user",
    "end_session",
    "end_sessions",
    "erase_activity",
    "record_activity",
    "refresh_session",
    "remove_outdated_activity",
    "sign_in",
    "start_session",
]
