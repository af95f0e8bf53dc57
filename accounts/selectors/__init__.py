from accounts.selectors._activity import activity_of
from accounts.selectors._keys import api_keys, get_api_key
from accounts.selectors._people import Contact, get_contact, role_names
from accounts.selectors._permissions import (
    permission_names,
    permissions_named,
    unknown_permissions,
)

__all__ = [
    "Contact",
    "activity_of",
    "api_keys",
    "get_api_key",
    "get_contact",
    "permission_names",
    "permissions_named",
    "role_names",
    "unknown_permissions",
]
