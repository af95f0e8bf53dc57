from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
from django import forms
from django.core import checks
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.lookups import Exact
from django.db.models.query_utils import DeferredAttribute

from core.encryption._errors import EncryptedLookupError, UnsealableError
from core.encryption._sealing import (
    blind_index,
    seal_bound,
    seal_bytes_bound,
    unseal_bound,
    unseal_bytes_bound,
)

if TYPE_CHECKING:
    # Generic for the type checker only.
    from django.db.backends.base.base import BaseDatabaseWrapper

    Field = models.Field[Any, Any]
    TextField = models.TextField[Any, Any]
    BinaryField = models.BinaryField[Any, Any]
else:
    Field = models.Field
    TextField = models.TextField
    BinaryField = models.BinaryField

# The table, the column and the row.
Place = tuple[str, str, str]


class Sealed(str):
    """Text as the database holds it; ``values()`` and raw queries return this."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<sealed>"


class SealedBytes(bytes):
    """The same for columns that hold bytes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<sealed>"


class _OpeningAttribute(DeferredAttribute):
    """Decrypts when the attribute is first read, since only the row knows its key."""

    field: "EncryptedField"

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is None or not isinstance(value, self.field.sealed_type):
            return value
        opened = self.field.opened(value, self.field.bound_to(instance))
        instance.__dict__[self.field.attname] = opened
        return opened

    def __set__(self, instance: Any, value: Any) -> None:
        # Having this is what makes Python ask __get__ even when there is a value.
        instance.__dict__[self.field.attname] = value


class EncryptedField(Field):
    """What rests encrypted, bound to its table, column and row.

    Read and written like any value on instances, ``bulk_create`` included. There are no
    look-ups but ``isnull``; a BlindIndexField beside it finds rows. ``update()`` and
    ``bulk_update()`` don't know the row: give them ``field.sealed_for(row, value)``.
    A renamed table or column needs its rows sealed anew.
    """

    descriptor_class = _OpeningAttribute
    sealed_type: ClassVar[type[str | bytes]]

    def sealed(self, value: Any, place: Place) -> Any:
        """Return the value as it may rest in this place."""
        raise NotImplementedError

    def opened(self, sealed: Any, place: Place) -> Any:
        """Return what was sealed for this place."""
        raise NotImplementedError

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        found = super().check(**kwargs)
        options = ("unique", "db_index", "primary_key")
        if any(getattr(self, name) for name in options) or self.has_db_default():
            message = "The text differs each time that it is sealed, so no key, index or database default can hold it."
            found.append(checks.Error(message, obj=self, id="core.E001"))
        return found

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, f"core.encryption.{type(self).__name__}", args, kwargs

    def bound_to(self, instance: models.Model) -> Place:
        meta = self.model._meta  # noqa: SLF001 -- Django's public API
        if instance.pk is None:
            raise UnsealableError(
                f"{self} is bound to its row, which has no primary key yet."
            )
        pk = meta.pk.to_python(instance.pk)
        return (meta.db_table, str(self.column), str(pk))

    def sealed_for(self, instance: models.Model, value: Any) -> Any:
        """Return what ``update()`` may write into this row's column."""
        return None if value is None else self.sealed(value, self.bound_to(instance))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: ARG002, FBT001 -- Django's signature
        return self.sealed_for(model_instance, getattr(model_instance, self.attname))

    def get_db_prep_value(
        self,
        value: Any,
        connection: "BaseDatabaseWrapper",
        prepared: bool = False,  # noqa: FBT001, FBT002 -- Django's signature
    ) -> Any:
        if value is not None and not isinstance(value, self.sealed_type):
            raise UnsealableError(
                f"{self} takes sealed text only: save the instance, or write field.sealed_for(row, value)."
            )
        return super().get_db_prep_value(value, connection, prepared)

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return None if value is None else self.sealed_type(value)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        # Django asks for "exact" before it makes "isnull" of a None.
        if lookup_name == "exact":
            return _NullOnly
        raise EncryptedLookupError(self, lookup_name)


class EncryptedTextField(EncryptedField, TextField):
    """Text that rests encrypted."""

    sealed_type = Sealed

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.max_length is not None:
            self.validators = [*self.validators, MaxLengthValidator(self.max_length)]

    def sealed(self, value: Any, place: Place) -> Sealed:
        # A lone surrogate can't be stored in clear either; here it is refused the same way.
        return Sealed(seal_bound(value.encode(), place))

    def opened(self, sealed: Any, place: Place) -> str:
        return unseal_bound(sealed, place).decode()


class EncryptedJSONField(EncryptedField, TextField):
    """A JSON document that rests encrypted as a whole, in one text.

    It comes back with its members in the order that ``jsonb`` has them, so a column
    that becomes encrypted is answered as before, byte for byte.
    """

    if TYPE_CHECKING:
        # Where Django's stubs look for what an instance's attribute is.
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any
    sealed_type = Sealed

    def sealed(self, value: Any, place: Place) -> Sealed:
        return Sealed(seal_bound(orjson.dumps(_as_jsonb_orders(value)), place))

    def opened(self, sealed: Any, place: Place) -> Any:
        return orjson.loads(unseal_bound(sealed, place))

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> Any:
        return self.value_from_object(obj)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": forms.JSONField, **kwargs})


class EncryptedBinaryField(EncryptedField, BinaryField):
    """Bytes that rest encrypted."""

    sealed_type = SealedBytes

    def sealed(self, value: Any, place: Place) -> SealedBytes:
        return SealedBytes(seal_bytes_bound(value, place))

    def opened(self, sealed: Any, place: Place) -> bytes:
        return unseal_bytes_bound(sealed, place)


def _as_jsonb_orders(value: Any) -> Any:
    """Sort the members: the shorter names first, then by their bytes."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return {name: _as_jsonb_orders(value[name]) for name in names}
    if isinstance(value, list):
        return [_as_jsonb_orders(one) for one in value]
    return value


class _NullOnly(Exact):
    def __init__(self, lhs: Any, rhs: Any) -> None:
        if rhs is not None:
            raise EncryptedLookupError(lhs.target, "exact")
        super().__init__(lhs, rhs)


class BlindIndexField(BinaryField):
    """Holds the blind index of an encrypted field of the same row, null with it.

    ``of`` names that field, ``normalized`` makes equal what should be found as equal.
    Look up with ``filter(phone_index__in=blind_indexes(text, purpose=…))``.
    """

    def __init__(
        self,
        *args: Any,
        of: str,
        purpose: str,
        normalized: Callable[[str], str] = str,
        **kwargs: Any,
    ) -> None:
        kwargs |= {"null": True, "blank": True, "editable": False}
        super().__init__(*args, **kwargs)
        self.of = of
        self.purpose = purpose
        self.normalized = normalized

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        # How the text is normalized is no matter of the table's.
        kwargs |= {"of": self.of, "purpose": self.purpose}
        return name, "core.encryption.BlindIndexField", args, kwargs

    def index_of(self, text: str | None) -> bytes | None:
        if not text:
            return None
        return blind_index(self.normalized(text), purpose=self.purpose)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: ARG002, FBT001 -- Django's signature
        index = self.index_of(getattr(model_instance, self.of))
        setattr(model_instance, self.attname, index)
        return index
