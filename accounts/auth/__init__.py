from accounts.auth._attempts import attempt_of, proof_of_device
from accounts.auth._devices import DEVICE_HEADER, Device, device_of, device_token
from accounts.auth._passwords import Argon2Hasher
from accounts.auth._tokens import (
    JWTAuthentication,
    TokenPair,
    current_user,
    issue_tokens,
    principal_of_token,
    read_refresh_token,
)

__all__ = [
    "DEVICE_HEADER",
    "Argon2Hasher",
    "Device",
    "JWTAuthentication",
    "TokenPair",
    "attempt_of",
    "current_user",
    "device_of",
    "device_token",
    "issue_tokens",
    "principal_of_token",
    "proof_of_device",
    "read_refresh_token",
]
