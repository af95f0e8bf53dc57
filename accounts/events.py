from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from core.events import Event


@dataclass(frozen=True, slots=True)
class AccountRequested(Event):
    """Somebody asked for something about an address; whose it is remains to be seen."""

    name: ClassVar[str] = "accounts.account_requested"
    aggregate: ClassVar[str] = "request_id"

    request_id: UUID


@dataclass(frozen=True, slots=True)
class UserRegistered(Event):
    name: ClassVar[str] = "accounts.user_registered"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID


@dataclass(frozen=True, slots=True)
class AccountExists(Event):
    """An address was given for a new account, or for another's, that has one already."""

    name: ClassVar[str] = "accounts.account_exists"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID


@dataclass(frozen=True, slots=True)
class AccountLinkRequested(Event):
    """A link is to be mailed. Its secret is made only when the mail is."""

    name: ClassVar[str] = "accounts.account_link_requested"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    token_id: UUID
    purpose: str


@dataclass(frozen=True, slots=True)
class PasswordChanged(Event):
    name: ClassVar[str] = "accounts.password_changed"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class EmailChanged(Event):
    """The account moved; the token knows from where to where."""

    name: ClassVar[str] = "accounts.email_changed"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    token_id: UUID


@dataclass(frozen=True, slots=True)
class NewDeviceLogin(Event):
    """Somebody signed in from a device that this account hasn't seen before."""

    name: ClassVar[str] = "accounts.new_device_login"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    session_id: UUID


@dataclass(frozen=True, slots=True)
class RefreshReuseDetected(Event):
    """A refresh token came back that its owner had exchanged: one of two is a thief."""

    name: ClassVar[str] = "accounts.refresh_reuse_detected"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    session_id: UUID


@dataclass(frozen=True, slots=True)
class FactorAdded(Event):
    """An authenticator app, a passkey, or new recovery codes can open the account."""

    name: ClassVar[str] = "accounts.factor_added"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    factor: str


@dataclass(frozen=True, slots=True)
class FactorRemoved(Event):
    name: ClassVar[str] = "accounts.factor_removed"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    factor: str


@dataclass(frozen=True, slots=True)
class FactorsReset(Event):
    """Staff took the authenticator app and the passkeys away from who lost them."""

    name: ClassVar[str] = "accounts.factors_reset"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID


@dataclass(frozen=True, slots=True)
class RecoveryCodeUsed(Event):
    name: ClassVar[str] = "accounts.recovery_code_used"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    codes_left: int


@dataclass(frozen=True, slots=True)
class PasskeyCounterRegressed(Event):
    """A passkey signed with a count that isn't new: there may be a copy of it."""

    name: ClassVar[str] = "accounts.passkey_counter_regressed"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    passkey_id: UUID


@dataclass(frozen=True, slots=True)
class IdentityLinked(Event):
    name: ClassVar[str] = "accounts.identity_linked"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    provider: str


@dataclass(frozen=True, slots=True)
class IdentityUnlinked(Event):
    name: ClassVar[str] = "accounts.identity_unlinked"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    provider: str


@dataclass(frozen=True, slots=True)
class SignInsGuessed(Event):
    """So many wrong passwords within an hour that somebody is guessing."""

    name: ClassVar[str] = "accounts.sign_ins_guessed"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID


@dataclass(frozen=True, slots=True)
class CodesGuessed(Event):
    """So many wrong codes within an hour that somebody who has the password is guessing."""

    name: ClassVar[str] = "accounts.codes_guessed"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID


@dataclass(frozen=True, slots=True)
class ErasureRequested(Event):
    """A person asked to be erased. The mail about it brings the link that undoes it."""

    name: ClassVar[str] = "accounts.erasure_requested"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    erase_after: datetime


@dataclass(frozen=True, slots=True)
class ErasureCanceled(Event):
    name: ClassVar[str] = "accounts.erasure_canceled"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID


@dataclass(frozen=True, slots=True)
class UserErased(Event):
    """Nothing is left of the person but an id that other rows refer to."""

    name: ClassVar[str] = "accounts.user_erased"
    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
