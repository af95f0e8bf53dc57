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
    "Argon2Hasher",
    "JWTAuthentication",
    "TokenPair",
    "current_user",
    "issue_tokens",
    "principal_of_token",
    "read_refresh_token",
]
