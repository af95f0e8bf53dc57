"""The refusals that any HTTP API knows, whatever it sells."""

from datetime import datetime
from typing import Any

from core.errors import DomainError, ErrorKind


class MalformedRequestError(DomainError):
    code = "malformed_request"
    kind = ErrorKind.MALFORMED
    title = "The request can't be read"
    cause = "The address, a header or the body isn't valid: bad UTF-8, a NUL byte, too many fields."
    cure = "Encode text as UTF-8 and percent-encode it in the address."


class MalformedJSONError(DomainError):
    code = "malformed_json"
    kind = ErrorKind.MALFORMED
    title = "The body isn't valid JSON"
    cause = "A syntax error, a duplicate key, NaN or Infinity, a number out of range, a NUL or lone surrogate, or nesting deeper than 64."
    cure = "Send one JSON document as RFC 8259 has it, in UTF-8. The detail says what is wrong."


class InvalidParameterError(DomainError):
    code = "invalid_parameter"
    kind = ErrorKind.MALFORMED
    title = "A query parameter has an impossible value"
    cause = "The parameter named in `parameter` is out of bounds or of the wrong form."
    cure = "Correct the parameter; the API reference lists what it takes."

    def __init__(self, detail: str = "", *, parameter: str, **extensions: Any) -> None:
        super().__init__(detail, parameter=parameter, **extensions)


class UnknownParameterError(DomainError):
    code = "unknown_parameter"
    kind = ErrorKind.MALFORMED
    title = "There is no such query parameter"
    cause = (
        "The address has a parameter that this operation doesn't know, often a typo."
    )
    cure = "Remove it, or use one of those named in `known`."


class InvalidHeaderError(DomainError):
    code = "invalid_header"
    kind = ErrorKind.MALFORMED
    title = "A header has an impossible value"
    cause = "The header named in `header` is out of bounds or of the wrong form."
    cure = "Correct the header, or leave it out; the API reference says what it takes."

    def __init__(self, detail: str = "", *, header: str, **extensions: Any) -> None:
        super().__init__(detail, header=header, **extensions)


class UnknownApiVersionError(DomainError):
    code = "unknown_api_version"
    kind = ErrorKind.MALFORMED
    title = "There is no such API version"
    cause = "The API-Version header names a date that is none of our versions."
    cure = "Send one of the dates named in `known`, or leave the header out."


class UnknownHostError(DomainError):
    code = "unknown_host"
    kind = ErrorKind.MALFORMED
    title = "The shop isn't reached by this host name"
    cause = "The Host header isn't one of the shop's names."
    cure = "Use the shop's own address; operators add names to ALLOWED_HOSTS."


class NotAuthenticatedError(DomainError):
    code = "not_authenticated"
    kind = ErrorKind.UNAUTHENTICATED
    title = "Sign in first"
    cause = "The operation needs a signed-in user and no access token was sent."
    cure = "Send `Authorization: Bearer <access token>` from POST /api/v1/auth/login."


class AuthenticationFailedError(DomainError):
    code = "authentication_failed"
    kind = ErrorKind.UNAUTHENTICATED
    title = "The access token isn't valid"
    cause = "The token is malformed, has expired or was revoked, or its user is gone."
    cure = "Get a new one from POST /api/v1/auth/refresh, or sign in again."

    def headers(self) -> dict[str, str]:
        challenge = 'Bearer realm="shopwright", error="invalid_token"'
        return super().headers() | {"WWW-Authenticate": challenge}


class PermissionDeniedError(DomainError):
    code = "permission_denied"
    kind = ErrorKind.FORBIDDEN
    title = "Your role doesn't allow this"
    cause = "The signed-in user lacks the permission that the operation asks for."
    cure = (
        "Ask an administrator of the shop for a role that has it, then sign in again."
    )


class SecondFactorRequiredError(DomainError):
    code = "second_factor_required"
    kind = ErrorKind.FORBIDDEN
    title = "Staff need a second factor here"
    cause = "The shop asks a second factor of its staff, and this sign-in had none; it may do what a customer may."
    cure = "Set up an authenticator app or a passkey, sign in with it, or prove it with POST /api/v1/auth/step-up."


class StaffPasswordTooShortError(DomainError):
    code = "staff_password_too_short"
    kind = ErrorKind.FORBIDDEN
    title = "Staff need a longer password here"
    cause = "This sign-in was by a password that is too short for staff without a second factor; it may do what a customer may."
    cure = "Set a longer password with POST /api/v1/auth/change-password or by the link for forgotten ones, or set up a second factor; then sign in again."


class CsrfFailedError(DomainError):
    code = "csrf_failed"
    kind = ErrorKind.FORBIDDEN
    title = "The form's protection token is missing or stale"
    cause = "Cookies are blocked, or the page was opened before the last sign-in."
    cure = "Reload the page and send the form again."


class NotFoundError(DomainError):
    code = "not_found"
    kind = ErrorKind.NOT_FOUND
    title = "There is nothing here"
    cause = "The address is wrong, the thing is gone, or you may not know of it."
    cure = "Check the address and the id; addresses have no trailing slash."


class MethodNotAllowedError(DomainError):
    code = "method_not_allowed"
    kind = ErrorKind.METHOD_NOT_ALLOWED
    title = "The method isn't offered here"
    cause = "The address exists, but not for this method."
    cure = "Use one of the methods in the Allow header."

    def __init__(
        self, detail: str = "", *, allowed: tuple[str, ...] = (), **extensions: Any
    ) -> None:
        super().__init__(detail, **extensions)
        self.allowed = allowed

    def headers(self) -> dict[str, str]:
        if not self.allowed:
            return super().headers()
        return super().headers() | {"Allow": ", ".join(self.allowed)}


class NotAcceptableError(DomainError):
    code = "not_acceptable"
    kind = ErrorKind.NOT_ACCEPTABLE
    title = "None of the accepted formats is offered"
    cause = "The Accept header excludes application/json."
    cure = "Send `Accept: application/json`, or none."


class ConflictError(DomainError):
    code = "conflict"
    kind = ErrorKind.CONFLICT
    title = "The state has changed meanwhile"
    cause = "Another request changed the same thing at the same time."
    cure = "Read the resource again and repeat the request."


class BodyTooLargeError(DomainError):
    code = "body_too_large"
    kind = ErrorKind.TOO_LARGE
    title = "The body is too large"
    cause = "The request body has more bytes than the shop accepts."
    cure = "Send less at once; large catalogues go through POST /api/v1/imports."


class UnsupportedMediaTypeError(DomainError):
    code = "unsupported_media_type"
    kind = ErrorKind.UNSUPPORTED_MEDIA_TYPE
    title = "The body's format isn't understood"
    cause = "The Content-Type is missing or isn't one that the operation takes."
    cure = "Send `Content-Type: application/json`."


class ValidationFailedError(DomainError):
    code = "validation_error"
    kind = ErrorKind.INVALID
    title = "Some of the values aren't right"
    cause = "A member is missing, unknown, or has a value that isn't allowed."
    cure = "Each entry of `errors` points at a member and says what is wrong with it."


class QuotaExceededError(DomainError):
    code = "quota_exceeded"
    kind = ErrorKind.QUOTA_EXCEEDED
    title = "Too many requests"
    cause = "You have used up the quotas named in `violated_policies` for now."
    cure = "Wait as long as Retry-After says. RateLimit-Policy tells how much is allowed in which time."


class AddressBlockedError(DomainError):
    code = "address_blocked"
    kind = ErrorKind.FORBIDDEN
    title = "Your address is blocked"
    cause = "Somebody at your address kept sending what was refused, or the shop's operators have blocked it."
    cure = "Wait until the time in `until`, if there is one; else write to the shop."

    def __init__(self, detail: str = "", *, until: datetime | None = None) -> None:
        super().__init__(detail, until=until)


class CircuitOpenError(DomainError):
    code = "dependency_unavailable"
    kind = ErrorKind.UNAVAILABLE
    title = "A service that the shop depends on is out"
    cause = "Calls to the service named in `dependency` failed so often that none are made for a while."
    cure = "Repeat the request after the seconds in Retry-After. Nothing has happened."

    def __init__(self, *, dependency: str, retry_after: int) -> None:
        super().__init__(
            f"{dependency} isn't asked for {retry_after} s.",
            retry_after=retry_after,
            dependency=dependency,
        )


class TemporaryReducedCapacityError(DomainError):
    code = "temporary_reduced_capacity"
    kind = ErrorKind.UNAVAILABLE
    title = "Too busy for this at the moment"
    cause = (
        "More is asked of the shop than it can do; what matters least is refused first."
    )
    cure = "Repeat the request after the seconds in Retry-After, with the same Idempotency-Key. Nothing has happened."


class InternalError(DomainError):
    code = "internal_error"
    kind = ErrorKind.INTERNAL
    title = "Something is broken on our side"
    cause = "A mistake in the shop's code. It has been logged under the request id."
    cure = "Repeat the request later; tell us the request id if it stays so."


class ServiceUnavailableError(DomainError):
    code = "service_unavailable"
    kind = ErrorKind.UNAVAILABLE
    title = "Out of service for a moment"
    cause = (
        "A part that the shop depends on doesn't answer, or a row is locked too long."
    )
    cure = "Repeat the request after the seconds in Retry-After, with the same Idempotency-Key."

    def __init__(
        self, detail: str = "", *, retry_after: int = 1, **extensions: Any
    ) -> None:
        super().__init__(detail, retry_after=retry_after, **extensions)


class DeadlineExceededError(DomainError):
    code = "deadline_exceeded"
    kind = ErrorKind.DEADLINE_EXCEEDED
    title = "Out of time"
    cause = "The work wasn't done within the time that the request or one of its steps is given. A write may or may not have happened."
    cure = "Repeat the request with the same Idempotency-Key, or allow more time with `Request-Timeout: <seconds>`."
