from accounts.admin._activity import ActivityEntryAdmin
from accounts.admin._browser_sessions import sign_out, stand_for
from accounts.admin._keys import ApiKeyAdmin
from accounts.admin._own_password import own_password
from accounts.admin._proofs import admin_proof_options, note_proof, proven_first
from accounts.admin._sign_in import AdminSignInView, admin_passkey_options
from accounts.admin._users import RoleAdmin, UserAdmin

__all__ = [
    "ActivityEntryAdmin",
    "AdminSignInView",
    "ApiKeyAdmin",
    "RoleAdmin",
    "UserAdmin",
    "admin_passkey_options",
    "admin_proof_options",
    "note_proof",
    "own_password",
    "proven_first",
    "sign_out",
    "stand_for",
]
