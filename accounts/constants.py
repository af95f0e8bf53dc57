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
PASSWORD_MAX_LENGTH = 128
# How long a mailed link may be followed, by what it is for.
LINK_LIFETIMES = {
    "verify_email": timedelta(hours=24),
    "reset_password": timedelta(hours=1),
    "change_email": timedelta(hours=24),
}
# However often it is refreshed, a session is over when it is this old.
SESSION_LIFETIME = timedelta(days=30)


# What a machine may be let do. Never what concerns people, roles, keys or the limits:
# a key that leaks must not be able to make itself a successor.
_GRANTABLE_APPS = frozenset({"catalog", "inventory", "notifications", "orders"})
_GRANTABLE = frozenset({"accounts.view_user", "core.view_outboxevent"})


def is_grantable(permission: str) -> bool:
    return (
        permission in _GRANTABLE
        or permission.split(".", maxsplit=1)[0] in _GRANTABLE_APPS
    )


API_KEY_LIFETIME = timedelta(days=365)
API_KEY_LONGEST_LIFETIME = timedelta(days=730)
# So long both secrets hold after a rotation, if nobody says otherwise.
API_KEY_OVERLAP_HOURS = 24
API_KEY_LONGEST_OVERLAP_HOURS = 168
API_KEY_MAX_SCOPES = 200
API_KEY_MAX_PER_MINUTE = 100_000

MAX_ADDRESSES = 50
# The consent that a person gives or takes back in the preferences.
MARKETING = "marketing"

# What the role admin must keep, or nobody could mend the roles.
GIVES_ROLES = frozenset(
    {
        "accounts.view_user",
        "accounts.change_user",
        "auth.view_group",
        "auth.change_group",
    }
)


class ActivityKind(StrEnum):
    """What the owner of an account finds in its log."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    SESSION_ENDED = "session_ended"
    REFRESH_REUSE_DETECTED = "refresh_reuse_detected"
    REGISTERED = "registered"
    ADDRESS_CLAIMED = "address_claimed"
    EMAIL_VERIFIED = "email_verified"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 -- a word, no password
    PASSWORD_RESET_REQUESTED = "password_reset_requested"  # noqa: S105 -- the same
    PASSWORD_RESET = "password_reset"  # noqa: S105 -- the same
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTORS_RESET = "factors_reset"
    FACTOR_FAILED = "factor_failed"
    RECOVERY_CODE_USED = "recovery_code_used"
    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"
    PROFILE_CHANGED = "profile_changed"
    PREFERENCES_CHANGED = "preferences_changed"
    ADDRESS_ADDED = "address_added"
    ADDRESS_CHANGED = "address_changed"
    ADDRESS_REMOVED = "address_removed"
    ROLES_CHANGED = "roles_changed"
    DEACTIVATED = "deactivated"
    REACTIVATED = "reactivated"
    EXPORT_REQUESTED = "export_requested"
    ERASURE_REQUESTED = "erasure_requested"
    ERASURE_CANCELED = "erasure_canceled"


# What a stranger can cause at will; past so many in an hour one more tells nothing.
STRANGERS_ACTIVITY = frozenset(
    {
        ActivityKind.SIGN_IN_FAILED,
        ActivityKind.ADDRESS_CLAIMED,
        ActivityKind.FACTOR_FAILED,
        ActivityKind.PASSWORD_RESET_REQUESTED,
    }
)
STRANGERS_ACTIVITY_PER_HOUR = 30
# And past so many mails of one kind, one more only fills the mailbox.
STRANGERS_MAILS_PER_HOUR = 5
ACTIVITY_DETAILS_MAX_BYTES = 2000
# Between the steps of a sign-in; long enough to find the phone.
TICKET_LIFETIME = timedelta(minutes=5)
# At a provider somebody may have to sign in first, with a second factor of theirs.
OAUTH_LIFETIME = timedelta(minutes=10)
# How long an access token opens doors.
ACCESS_LIFETIME = timedelta(minutes=15)
# A session that isn't refreshed for so long is over.
REFRESH_IDLE = timedelta(days=7)
# A browser that is signed in to the administration opens more, so it is over sooner.
ADMIN_SESSION_LIFETIME = timedelta(hours=12)
ADMIN_IDLE = timedelta(hours=1)
# Two requests of one client may refresh at once, or an answer get lost: for so long the
# token that was just exchanged brings the same successor again.
REFRESH_GRACE = timedelta(seconds=10)
# How far the clocks of two nodes may be apart.
CLOCK_LEEWAY = timedelta(seconds=5)
# A new signing key waits for so long, until every node knows it.
SIGNING_KEY_LEAD = timedelta(minutes=2)
# "Last seen" is written no more often than this.
SEEN_EVERY = timedelta(minutes=1)


class Method(StrEnum):
    """How somebody proved who he is. A session keeps those that opened it."""

    PASSWORD = "password"  # noqa: S105 -- the name of a method
    EMAIL = "email"
    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"
    OAUTH = "oauth"


SECOND_FACTORS = frozenset({Method.TOTP, Method.RECOVERY_CODE, Method.PASSKEY})


class EndReason(StrEnum):
    """Why a session is over."""

    SIGNED_OUT = "signed_out"
    ENDED_ELSEWHERE = "ended_elsewhere"
    REFRESH_REUSED = "refresh_reused"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 -- a reason
    PASSWORD_RESET = "password_reset"  # noqa: S105 -- a reason
    EMAIL_CHANGED = "email_changed"
    DEACTIVATED = "deactivated"
    ENDED_BY_STAFF = "ended_by_staff"
    FACTORS_RESET = "factors_reset"
    ERASED = "erased"


# How long one link to the file of an export holds.
EXPORT_LINK_LIFETIME = timedelta(minutes=15)
# Between asking for it and losing the account: signing in undoes it.
ERASURE_GRACE = timedelta(days=14)
