from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.core import checks
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.lookups import Exact
from django.db.models.query_utils import DeferredAttribute

from core.encryption._errors import EncryptedLookupError, UnsealableError
from core.encryption._sealing import blind_index, seal_bound, unseal_bound

if TYPE_CHECKING:
    # Generic for the type checker only.
    from django.db.backends.base.base import BaseDatabaseWrapper

    TextField = models.TextField[str | None, Any]
    BinaryField = models.BinaryField[bytes | None, Any]
else:
    TextField = models.TextField
    BinaryField = models.BinaryField


class Sealed(str):
    """Text as the database holds it; ``values()`` and raw queries return this."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<sealed>"


class _OpeningAttribute(DeferredAttribute):
    """Decrypts when the attribute is first read, since only the row knows its key."""

    field: "EncryptedTextField"

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is None or not isinstance(value, Sealed):
            return value
        text = unseal_bound(value, self.field.bound_to(instance))
        instance.__dict__[self.field.attname] = text
        return text

    def __set__(self, instance: Any, value: Any) -> None:
        # Having this is what makes Python ask __get__ even when there is a value.
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(TextField):
    """Text that rests encrypted, bound to its table, column and row.

    Read and written like any text on instances, ``bulk_create`` included. There are no
    look-ups but ``isnull``; a BlindIndexField beside it finds rows. ``update()`` and
    ``bulk_update()`` don't know the row: give them ``field.sealed_for(row, text)``.
    A renamed table or column needs its rows sealed anew.
    """

    descriptor_class = _OpeningAttribute

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.max_length is not None:
            self.validators = [*self.validators, MaxLengthValidator(self.max_length)]

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        found = super().check(**kwargs)
        options = ("unique", "db_index", "primary_key")
        if any(getattr(self, name) for name in options) or self.has_db_default():
            message = "The text differs each time that it is sealed, so no key, index or database default can hold it."
            found.append(checks.Error(message, obj=self, id="core.E001"))
        return found

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "core.encryption.EncryptedTextField", args, kwargs

    def bound_to(self, instance: models.Model) -> tuple[str, str, str]:
        meta = self.model._meta  # noqa: SLF001 -- Django's public API
        if instance.pk is None:
            raise UnsealableError(
                f"{self} is bound to its row, which has no primary key yet."
            )
        pk = meta.pk.to_python(instance.pk)
        return (meta.db_table, str(self.column), str(pk))

    def sealed_for(self, instance: models.Model, text: str | None) -> Sealed | None:
        """Return what ``update()`` may write into this row's column."""
        if text is None:
            return None
        return Sealed(seal_bound(text, self.bound_to(instance)))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: ARG002, FBT001 -- Django's signature
        return self.sealed_for(model_instance, getattr(model_instance, self.attname))

    def get_db_prep_value(
        self,
        value: Any,
        connection: "BaseDatabaseWrapper",
        prepared: bool = False,  # noqa: FBT001, FBT002 -- Django's signature
    ) -> Any:
        if isinstance(value, str) and not isinstance(value, Sealed):
            raise UnsealableError(
                f"{self} takes sealed text only: save the instance, or write field.sealed_for(row, text)."
            )
        return super().get_db_prep_value(value, connection, prepared)

    def from_db_value(self, value: str | None, *_: Any) -> Sealed | None:
        return None if value is None else Sealed(value)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        # Django asks for "exact" before it makes "isnull" of a None.
        if lookup_name == "exact":
            return _NullOnly
        raise EncryptedLookupError(self, lookup_name)


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
