from core.errors import DomainError, ErrorKind


class DeliveryNotRetryableError(DomainError):
    code = "delivery_not_retryable"
    kind = ErrorKind.CONFLICT
    title = "The message can't be sent again"
    cause = "It was sent already, or was found to be undeliverable."
    cure = "Only messages that are still queued can be tried again."
