from core.errors import DomainError, ErrorKind


class InvalidCredentialsError(DomainError):
    code = "invalid_credentials"
    kind = ErrorKind.UNAUTHENTICATED
    title = "Wrong address or password"
    cause = "No active account has this address and password."
    cure = "Check both and try again, or reset the password."


class InvalidRefreshTokenError(DomainError):
    code = "invalid_refresh_token"
    kind = ErrorKind.UNAUTHENTICATED
    title = "The session has ended"
    cause = "The refresh token is unreadable, expired, or its account is closed."
    cure = "Sign in again."


class UnknownRoleError(DomainError):
    code = "unknown_role"
    kind = ErrorKind.INVALID
    title = "No such role"
    cause = "A role was named that doesn't exist."
    cure = "Name existing roles only."
