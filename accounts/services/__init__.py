from accounts.services._activity import (
    erase_activity,
    record_activity,
    remove_outdated_activity,
)
from accounts.services._addresses import add_address, change_address, remove_address
from accounts.services._admin_sign_in import (
    AdminSignedIn,
    admin_passkey_options,
    begin_admin_sign_in,
    complete_admin_sign_in,
    complete_admin_sign_in_with_passkey,
    sign_in_to_admin_with_passkey,
)
from accounts.services._admins import require_an_admin
from accounts.services._answering import answer_request
from accounts.services._asking import (
    request_registration,
    request_reset,
    request_verification,
)
from accounts.services._ceremonies import forget_ceremonies
from accounts.services._changing_email import confirm_email_change, request_email_change
from accounts.services._changing_passwords import (
    change_password,
    reset_password,
    start_password_reset,
)
from accounts.services._erasure import (
    ErasureNotice,
    anonymize_users,
    cancel_erasure,
    erase_due,
    leave,
    request_erasure,
    undo_erasure,
    write_erasure_notice,
)
from accounts.services._exports import (
    erase_exports,
    remove_expired_exports,
    request_export,
    resume_exports,
    run_export,
)
from accounts.services._identities import (
    OAuthStart,
    begin_oauth,
    link_identity,
    link_offered_identity,
    sign_in_with_provider,
    unlink_identity,
)
from accounts.services._keys import (
    IssuedKey,
    change_api_key,
    create_api_key,
    revoke_api_key,
    rotate_api_key,
)
from accounts.services._links import send_link, write_link
from accounts.services._lost_factors import (
    reset_second_factors,
    reset_second_factors_by_hand,
)
from accounts.services._passkeys import (
    passkey_registration_options,
    passkey_sign_in_options,
    prove_passkey,
    register_passkey,
    remove_passkey,
    rename_passkey,
)
from accounts.services._people import assign_roles, create_user
from accounts.services._profiles import (
    change_preferences,
    change_profile,
    erase_consents,
)
from accounts.services._refreshing import refresh_session
from accounts.services._roles import change_role, create_role, delete_role
from accounts.services._sessions import (
    end_session,
    end_sessions,
    start_browser_session,
    start_session,
)
from accounts.services._signing_in import (
    SignedIn,
    complete_mfa,
    complete_sign_in,
    sign_in,
    sign_in_with_passkey,
)
from accounts.services._signing_keys import (
    rotate_signing_key,
    rotate_signing_key_if_due,
)
from accounts.services._signing_out import sign_device_out, sign_out, sign_out_elsewhere
from accounts.services._staff import (
    change_roles,
    deactivate_user,
    end_persons_sessions,
    offer_password_reset,
    outranks,
    reactivate_user,
)
from accounts.services._step_up import prove_again, verify_proof
from accounts.services._tickets import MfaRequired
from accounts.services._totp import (
    begin_totp,
    confirm_totp,
    remove_totp,
    renew_recovery_codes,
    spend_code,
)
from accounts.services._verifying import verify_email

__all__ = [
    "AdminSignedIn",
    "ErasureNotice",
    "IssuedKey",
    "MfaRequired",
    "OAuthStart",
    "SignedIn",
    "add_address",
    "admin_passkey_options",
    "anonymize_users",
    "answer_request",
    "assign_roles",
    "begin_admin_sign_in",
    "begin_oauth",
    "begin_totp",
    "cancel_erasure",
    "change_address",
    "change_api_key",
    "change_password",
    "change_preferences",
    "change_profile",
    "change_role",
    "change_roles",
    "complete_admin_sign_in",
    "complete_admin_sign_in_with_passkey",
    "complete_mfa",
    "complete_sign_in",
    "confirm_email_change",
    "confirm_totp",
    "create_api_key",
    "create_role",
    "create_user",
    "deactivate_user",
    "delete_role",
    "end_persons_sessions",
    "end_session",
    "end_sessions",
    "erase_activity",
    "erase_consents",
    "erase_due",
    "erase_exports",
    "forget_ceremonies",
    "leave",
    "link_identity",
    "link_offered_identity",
    "offer_password_reset",
    "outranks",
    "passkey_registration_options",
    "passkey_sign_in_options",
    "prove_again",
    "prove_passkey",
    "reactivate_user",
    "record_activity",
    "refresh_session",
    "register_passkey",
    "remove_address",
    "remove_expired_exports",
    "remove_outdated_activity",
    "remove_passkey",
    "remove_totp",
    "rename_passkey",
    "renew_recovery_codes",
    "request_email_change",
    "request_erasure",
    "request_export",
    "request_registration",
    "request_reset",
    "request_verification",
    "require_an_admin",
    "reset_password",
    "reset_second_factors",
    "reset_second_factors_by_hand",
    "resume_exports",
    "revoke_api_key",
    "rotate_api_key",
    "rotate_signing_key",
    "rotate_signing_key_if_due",
    "run_export",
    "send_link",
    "sign_device_out",
    "sign_in",
    "sign_in_to_admin_with_passkey",
    "sign_in_with_passkey",
    "sign_in_with_provider",
    "sign_out",
    "sign_out_elsewhere",
    "spend_code",
    "start_browser_session",
    "start_password_reset",
    "start_session",
    "undo_erasure",
    "unlink_identity",
    "verify_email",
    "verify_proof",
    "write_erasure_notice",
    "write_link",
]
