"""What a payment provider has to do, and what it can answer."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from core.money import Money


class OutcomeStatus(Enum):
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    DECLINED = "declined"
    VOIDED = "voided"
    REFUNDED = "refunded"
    # The question may have arrived: it is neither done nor undone until we know.
    UNKNOWN = "unknown"
    # Nothing left this machine, so nothing happened.
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class Outcome:
    status: OutcomeStatus
    # The provider's own name for the payment, or for the refund.
    reference: str = ""
    failure_code: str = ""

    @property
    def is_success(self) -> bool:
        return self.status in {OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED}


@dataclass(frozen=True, slots=True)
class Charge:
    """What is asked of a provider. The key makes it happen once, however often asked."""

    key: str
    method: str
    amount: Money


class Provider(Protocol):
    """Calls go over the network, so none may be made while a row is locked.

    What a provider or a network does is an outcome, not an exception.
    """

    code: str
    methods: frozenset[str]

    def authorize(self, charge: Charge) -> Outcome:
        """Reserve or take the money, as the shop is set up."""

    def find(self, key: str) -> Outcome | None:
        """Say how the charge with our key stands; None if it never arrived."""

    def void(self, reference: str, *, key: str) -> Outcome:
        """Let go of money that is authorized and not captured."""

    def refund(self, reference: str, *, amount: Money, key: str) -> Outcome:
        """Give back captured money."""

    def captured_amounts(self) -> dict[str, Money]:
        """Return what the provider says it has captured, by our keys, for an audit.

        :raises core.http_client.OutgoingCallError: if it can't be asked.
        """

    def close(self) -> None:
        """Let go of its connections; it isn't used any more."""
