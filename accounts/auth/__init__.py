from accounts.auth._attempts import attempt_of, proof_of_device
from accounts.auth._callers import forget_session, forget_user
from accounts.auth._devices import DEVICE_HEADER, Device, device_of, device_token
from accounts.auth._passwords import Argon2Hasher
from accounts.auth._roles import RoleBackend
from accounts.auth._secrets import hash_secret, new_secret, open_under, seal_under
from accounts.auth._tokens import (
    JWTAuthentication,
    TokenPair,
    current_session_id,
    current_user,
    issue_access_token,
    principal_of_token,
)

__all__ = [
    "DEVICE_HEADER",
    "Argon2Hasher",
    "Device",
    "JWTAuthentication",
    "RoleBackend",
    "TokenPair",
    "attempt_of",
    "current_session_id",
    "current_user",
    "device_of",
    "device_token",
    "forget_session",
    "forget_user",
    "hash_secret",
    "issue_access_token",
    "new_secret",
    "open_under",
    "principal_of_token",
    "proof_of_device",
    "seal_under",
]
