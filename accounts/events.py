from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from core.events import Event


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
