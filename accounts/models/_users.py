from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group, PermissionsMixin
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower, Upper
from django.utils.timezone import now

from accounts.constants import EMAIL_MAX_LENGTH
from accounts.models._factors import TotpDevice
from core.errors import DomainError
from core.ids import uuid7
from core.mailboxes import plain_mailbox, validate_mailbox


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> "UserQuerySet":
        return self.filter(is_active=True)

    def for_signing_in(self) -> "UserQuerySet":
        """Bring along what a sign-in asks of a person, in the same query."""
        groups = Group.objects.filter(user=OuterRef("pk")).values("name")
        apps = TotpDevice.objects.filter(user=OuterRef("pk")).confirmed()
        return self.annotate(  # type: ignore[no-redef]  # for who comes without them
            known_roles=ArraySubquery(groups), has_app=Exists(apps)
        )


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def active(self) -> UserQuerySet:
        return self.get_queryset().active()

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Return the one spelling by which the mailbox's account is kept and found."""
        return plain_mailbox(email or "")

    def get_by_natural_key(self, username: str | None) -> "User":
        users = self.get_queryset().for_signing_in()
        return users.get(email=self.normalize_email(username))

    def create_user(
        self, email: str, password: str | None = None, **fields: Any
    ) -> "User":
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(
        self, email: str, password: str | None = None, **fields: Any
    ) -> "User":
        return self.create_user(
            email,
            password,
            **{"email_verified_at": now()}
            | fields
            | {"is_staff": True, "is_superuser": True},
        )


class User(AbstractBaseUser, PermissionsMixin):
    """A person. The address is the login, whatever its case."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(
        max_length=EMAIL_MAX_LENGTH, unique=True, validators=[validate_mailbox]
    )
    name = models.CharField(max_length=200, blank=True, default="")
    email_verified_at = models.DateTimeField(null=True, blank=True)
    locale = models.CharField(max_length=16, default="en")
    timezone = models.CharField(max_length=64, default="UTC")
    is_active = models.BooleanField(
        default=True, help_text="An inactive account can't sign in."
    )
    is_staff = models.BooleanField(
        default=False, help_text="May sign in to this administration."
    )
    # The account is erased then, unless its owner signs in before.
    erase_after = models.DateTimeField(null=True, blank=True, editable=False)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    # Set by who changes the password: what is asked of it depends on it.
    uses_mfa = False
    # Set while a caller is remembered; one dictionary for all copies of him.
    permission_memo: dict[str, set[str]] | None = None
    # Known where a query has brought them along.
    known_roles: list[str] | None = None
    has_app: bool | None = None
    # Why a member of staff may do no more than a customer for now; see ``hold_back``.
    held_back_by: type[DomainError] | None = None

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="accounts_user_unique_email"),
            models.CheckConstraint(
                name="accounts_user_email_normalized",
                condition=Q(email=Lower("email")),
            ),
        ]
        indexes = [
            models.Index(name="accounts_user_newest", fields=["-created_at", "-id"]),
            # For parts of them: staff remember a piece of an address or a name.
            GinIndex(
                OpClass("email", name="gin_trgm_ops"), name="accounts_user_email_parts"
            ),
            GinIndex(
                OpClass(Upper("name"), name="gin_trgm_ops"),
                name="accounts_user_name_parts",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = User.objects.normalize_email(self.email)

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None

    def hold_back(self, reason: type[DomainError]) -> None:
        """Leave to this object, and not to its row, what a customer may."""
        self.held_back_by = reason
        self.is_staff = self.is_superuser = False
        self.permission_memo = {"all": set()}
