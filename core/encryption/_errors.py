class EncryptionError(Exception):
    """Something about sealed text is wrong. Never a caller's mistake: a 500 to clients."""


class UnknownKeyError(EncryptionError):
    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"FIELD_ENCRYPTION_KEYS has no key {key_id!r}, which this text is sealed with."
        )
        self.key_id = key_id


class TamperedError(EncryptionError):
    """Changed, cut short, or moved here from another row, column or context."""


class UnsealableError(EncryptionError):
    """Plain text on its way to a column that takes sealed text only."""


class EncryptedLookupError(EncryptionError):
    """A query by the content of an encrypted column, which can find nothing."""

    def __init__(self, field: object, lookup_name: str) -> None:
        super().__init__(
            f"{field} is encrypted; {lookup_name!r} can't look into it. Use a blind index."
        )
