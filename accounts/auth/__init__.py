from accounts.auth._attempts import attempt_at, attempt_of, proof_of_device
from accounts.auth._callers import forget_session, forget_user, user_of_session
from accounts.auth._devices import DEVICE_HEADER, Device, device_of, device_token
from accounts.auth._key_tokens import KeyToken, new_key_token, signed_key_token
from accounts.auth._keys import (
    ApiKeyAuthentication,
    Machine,
    key_memory,
    machine_of,
    principal_of_key,
    principal_of_prefix,
)
from accounts.auth._links import (
    LINK_TOKEN_MAX_LENGTH,
    is_export_token,
    make_export_token,
    make_undo_token,
    read_undo_token,
)
from accounts.auth._oauth import (
    Claims,
    UntrustedAnswerError,
    authorization_url,
    claims_behind,
    forget_providers,
)
from accounts.auth._passwords import (
    Argon2Hasher,
    LengthValidator,
    NotPersonalValidator,
    is_short_for_staff,
)
from accounts.auth._providers import Provider, find_provider, providers
from accounts.auth._roles import RoleBackend
from accounts.auth._secrets import hash_secret, new_secret, open_under, seal_under
from accounts.auth._signing_keys import Key, KeyRing, key_from, key_ring, new_key_secret
from accounts.auth._tickets import (
    TICKET_MAX_LENGTH,
    make_ticket,
    read_ticket,
    user_of_ticket,
)
from accounts.auth._tokens import (
    AccessClaims,
    JWTAuthentication,
    TokenPair,
    actor_id_of,
    current_session_id,
    current_user,
    issue_access_token,
    person_of,
    principal_of_token,
)

__all__ = [
    "DEVICE_HEADER",
    "LINK_TOKEN_MAX_LENGTH",
    "TICKET_MAX_LENGTH",
    "AccessClaims",
    "ApiKeyAuthentication",
    "Argon2Hasher",
    "Claims",
    "Device",
    "JWTAuthentication",
    "Key",
    "KeyRing",
    "KeyToken",
    "LengthValidator",
    "Machine",
    "NotPersonalValidator",
    "Provider",
    "RoleBackend",
    "TokenPair",
    "UntrustedAnswerError",
    "actor_id_of",
    "attempt_at",
    "attempt_of",
    "authorization_url",
    "claims_behind",
    "current_session_id",
    "current_user",
    "device_of",
    "device_token",
    "find_provider",
    "forget_providers",
    "forget_session",
    "forget_user",
    "hash_secret",
    "is_export_token",
    "is_short_for_staff",
    "issue_access_token",
    "key_from",
    "key_memory",
    "key_ring",
    "machine_of",
    "make_export_token",
    "make_ticket",
    "make_undo_token",
    "new_key_secret",
    "new_key_token",
    "new_secret",
    "open_under",
    "person_of",
    "principal_of_key",
    "principal_of_prefix",
    "principal_of_token",
    "proof_of_device",
    "providers",
    "read_ticket",
    "read_undo_token",
    "seal_under",
    "signed_key_token",
    "user_of_session",
    "user_of_ticket",
]
