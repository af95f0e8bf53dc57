"""Shapes that every app shares, and input that is refused when it isn't understood."""

from collections.abc import Mapping
from threading import local
from typing import Any

import orjson
from django.core.validators import EmailValidator
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from core.countries import COUNTRIES
from core.mailboxes import MAILBOX_MAX_LENGTH, plain_mailbox, validate_mailbox
from core.money import MAX_AMOUNT, Money, known_currencies


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses members that it doesn't know, or only shows, instead of ignoring them."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = self._unknown_members(data)
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            if unknown and isinstance(error.detail, dict):
                raise ValidationError({**error.detail, **unknown}) from error
            raise
        if unknown:
            raise ValidationError(unknown)
        return value

    def _unknown_members(self, data: Any) -> dict[str, list[ErrorDetail]]:
        if not isinstance(data, Mapping):
            return {}
        known = {name for name, field in self.fields.items() if not field.read_only}
        return {
            str(name): [ErrorDetail("There is no such member.", code="unknown_field")]
            for name in data
            if name not in known
        }


# Per thread, since a serializer being used holds the context of that use.
_kept = local()


def validated(
    serializer: type[StrictSerializer], sent: Any, **context: Any
) -> dict[str, Any]:
    """Return what a client sent as the serializer understands it, or refuse it.

    As a new instance would: but making one copies the declared fields of all its
    members, which costs more than reading most requests.
    """
    if not hasattr(_kept, "by_class"):
        _kept.by_class = {}
    instance = _kept.by_class.get(serializer)
    if instance is None:
        instance = _kept.by_class[serializer] = serializer()
    instance._context = context  # noqa: SLF001 -- what its constructor does
    try:
        values: dict[str, Any] = instance.run_validation(sent)
    except ValidationError:
        refusing = serializer(data=sent, context=context)
        refusing.is_valid(raise_exception=True)
        raise
    return values


class CurrencyField(serializers.CharField):
    """An ISO 4217 code in upper case."""

    default_error_messages = {"unknown": "That is no ISO 4217 currency code."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 3)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        if code not in known_currencies():
            self.fail("unknown")
        return code


class CountryField(serializers.CharField):
    """An ISO 3166-1 alpha-2 code in upper case."""

    default_error_messages = {"unknown": "That is no ISO 3166-1 alpha-2 country code."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 2)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        if code not in COUNTRIES:
            self.fail("unknown")
        return code


class MailboxField(serializers.EmailField):
    """An address that mail can be sent to."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAILBOX_MAX_LENGTH} | kwargs)
        # In place of Django's, which takes more.
        self.validators = [
            validator
            for validator in self.validators
            if not isinstance(validator, EmailValidator)
        ]
        self.validators.append(validate_mailbox)

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        # What is written in other letters is kept as the mailbox that gets the mail.
        return text if text.isascii() else plain_mailbox(text)


class MoneySerializer(StrictSerializer):
    """``{"amount": 1999, "currency": "EUR"}`` in, ``Money`` out, and back."""

    amount = serializers.IntegerField(
        min_value=0, max_value=MAX_AMOUNT, help_text="In the currency's minor units."
    )
    currency = CurrencyField()

    def to_internal_value(self, data: Any) -> Money:
        members = super().to_internal_value(data)
        # Inside a PATCH nothing is required, but half an amount of money is none.
        missing = [name for name in ("amount", "currency") if name not in members]
        if missing:
            required = ErrorDetail("This field is required.", code="required")
            raise ValidationError({name: [required] for name in missing})
        return Money(members["amount"], members["currency"])


class MoneyField(MoneySerializer):
    """Money as one member of a larger shape."""


class BoundedJSONField(serializers.JSONField):
    """Anything, as long as it takes at most ``max_bytes`` as JSON."""

    default_error_messages = {"too_large": "At most {limit} bytes."}

    def __init__(self, *, max_bytes: int, **kwargs: Any) -> None:
        self.max_bytes = max_bytes
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if len(orjson.dumps(data)) > self.max_bytes:
            self.fail("too_large", limit=self.max_bytes)
        return super().to_internal_value(data)


class BoundedDictField(serializers.DictField):
    """An object whose members are the client's, and at most ``max_members`` of them."""

    default_error_messages = {"too_many": "At most {limit} members."}

    def __init__(self, *, max_members: int, **kwargs: Any) -> None:
        self.max_members = max_members
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, Mapping) and len(data) > self.max_members:
            self.fail("too_many", limit=self.max_members)
        return super().to_internal_value(data)
