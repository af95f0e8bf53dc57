from accounts.selectors._activity import activity_of
from accounts.selectors._exports import get_export, get_ready_export, open_export
from accounts.selectors._factors import (
    has_totp,
    identities_of,
    is_recently_proven,
    passkeys_of,
    second_factors_of,
    second_steps,
    step_up_methods,
)
from accounts.selectors._keys import api_keys, get_api_key
from accounts.selectors._links import (
    AccountLink,
    AccountNotice,
    EmailChange,
    SessionNotice,
    get_account_notice,
    get_email_change,
    get_session_notice,
    link_of,
)
from accounts.selectors._people import Contact, get_contact, person_of_user, role_names
from accounts.selectors._permissions import (
    missing_permissions,
    permission_names,
    permissions_named,
    unknown_permissions,
)
from accounts.selectors._profiles import (
    ChosenPreferences,
    addresses_of,
    consents_of,
    get_address,
    get_preferences,
    get_profile,
)
from accounts.selectors._sessions import open_sessions_of
from accounts.selectors._staff import get_role, get_user, roles, users_matching

__all__ = [
    "AccountLink",
    "AccountNotice",
    "ChosenPreferences",
    "Contact",
    "EmailChange",
    "SessionNotice",
    "activity_of",
    "addresses_of",
    "api_keys",
    "consents_of",
    "get_account_notice",
    "get_address",
    "get_api_key",
    "get_contact",
    "get_email_change",
    "get_export",
    "get_preferences",
    "get_profile",
    "get_ready_export",
    "get_role",
    "get_session_notice",
    "get_user",
    "has_totp",
    "identities_of",
    "is_recently_proven",
    "link_of",
    "missing_permissions",
    "open_export",
    "open_sessions_of",
    "passkeys_of",
    "permission_names",
    "permissions_named",
    "person_of_user",
    "role_names",
    "roles",
    "second_factors_of",
    "second_steps",
    "step_up_methods",
    "unknown_permissions",
    "users_matching",
]
