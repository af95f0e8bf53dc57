from datetime import timedelta
from enum import StrEnum


class Role(StrEnum):
    """What somebody does here. Each is a group whose permissions staff may edit."""

    CUSTOMER = "customer"
    SUPPORT = "support"
    CATALOG_MANAGER = "catalog_manager"
    WAREHOUSE = "warehouse"
    MODERATOR = "moderator"
    ADMIN = "admin"


EMAIL_MAX_LENGTH = 254
# Longer ones would only make the hasher work for a stranger.
PASSWORD_MAX_LENGTH = 256
# A refresh token may be exchanged for a newer one until the sign-in is this old.
SESSION_LIFETIME = timedelta(days=30)
