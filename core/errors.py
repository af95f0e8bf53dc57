"""Failures a caller can anticipate. Services raise them; one handler answers them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar


class ErrorKind(Enum):
    """What sort of refusal it is. The value is the HTTP status that the handler sends."""

    MALFORMED = 400
    UNAUTHENTICATED = 401
    PAYMENT_DECLINED = 402
    FORBIDDEN = 403
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    NOT_ACCEPTABLE = 406
    CONFLICT = 409
    GONE = 410
    PRECONDITION_FAILED = 412
    TOO_LARGE = 413
    UNSUPPORTED_MEDIA_TYPE = 415
    INVALID = 422
    PRECONDITION_REQUIRED = 428
    QUOTA_EXCEEDED = 429
    INTERNAL = 500
    UNAVAILABLE = 503
    DEADLINE_EXCEEDED = 504


@dataclass(frozen=True, slots=True)
class FieldError:
    """One offending place of the payload, as a JSON pointer (RFC 6901) behind ``#``."""

    pointer: str
    code: str
    detail: str
    extra: dict[str, Any] = field(default_factory=dict)


class DomainError(Exception):
    """Base of all anticipated failures. Anything else is a bug and stays a 500.

    A subclass states ``code`` (public, stable), ``kind``, ``title``, and for the
    problem's page ``cause`` and ``cure``. An instance adds what a client needs to act:
    ``errors`` by field, ``retry_after`` in seconds, and ``extensions`` (members of the
    problem document, such as ``available``).
    """

    code: ClassVar[str]
    kind: ClassVar[ErrorKind]
    title: ClassVar[str]
    cause: ClassVar[str] = ""
    cure: ClassVar[str] = ""

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.extensions = extensions

    def headers(self) -> dict[str, str]:
        """Return what the response's headers say beyond the document."""
        if self.retry_after is None:
            return {}
        return {"Retry-After": str(self.retry_after)}

    @classmethod
    def slug(cls) -> str:
        return cls.code.replace("_", "-")


def problem_types() -> dict[str, type[DomainError]]:
    """Return every concrete error by code; two classes with one code are a mistake."""
    found: dict[str, type[DomainError]] = {}
    pending = list(DomainError.__subclasses__())
    while pending:
        error = pending.pop()
        pending.extend(error.__subclasses__())
        if "code" not in vars(error):
            continue
        if found.setdefault(error.code, error) is not error:
            raise RuntimeError(f"Two errors share the code {error.code!r}.")
    return found
