"""The shop's side of the payment simulator."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from core.http_client import Answer, Client, NotSentError, OutcomeUnknownError
from core.money import Money
from orders.payments.provider import Charge, Outcome, OutcomeStatus

# With every attempt at one question: shorter than a sweeper's patience.
_TOTAL_SECONDS = 12.0
_READ_SECONDS = 5.0

_STATUSES = {
    "authorized": OutcomeStatus.AUTHORIZED,
    "captured": OutcomeStatus.CAPTURED,
    "declined": OutcomeStatus.DECLINED,
    "voided": OutcomeStatus.VOIDED,
    "refunded": OutcomeStatus.REFUNDED,
}


class SimulatedProvider:
    code = "simulated"
    methods = frozenset({"sim_ok", "sim_declined"})

    def __init__(self, url: str, *, auto_capture: bool) -> None:
        self._auto_capture = auto_capture
        self._client = Client(
            url,
            name="payments",
            # It runs beside us.
            internal=True,
            read_seconds=_READ_SECONDS,
            total_seconds=_TOTAL_SECONDS,
        )

    def authorize(self, charge: Charge) -> Outcome:
        payload = {
            "amount": charge.amount.amount,
            "currency": charge.amount.currency,
            "method": charge.method,
            "capture": self._auto_capture,
        }
        return self._act("authorize", "/payments", payload, charge.key)

    def find(self, key: str) -> Outcome | None:
        outcome = _asked(
            lambda: self._client.get("/payments", params={"key": key}, operation="find")
        )
        if outcome.failure_code == "unknown_payment":
            return None
        is_answer = outcome.reference != ""
        # That the question got nowhere says nothing about the payment.
        return outcome if is_answer else Outcome(OutcomeStatus.UNKNOWN)

    def void(self, reference: str, *, key: str) -> Outcome:
        return self._act("void", f"/payments/{reference}/void", {}, key)

    def refund(self, reference: str, *, amount: Money, key: str) -> Outcome:
        return self._act(
            "refund",
            f"/payments/{reference}/refund",
            {"amount": amount.amount},
            key,
        )

    def captured_amounts(self) -> dict[str, Money]:
        payments = self._client.get("/ledger", operation="ledger").json()["payments"]
        return {
            payment["key"]: Money(payment["captured"], payment["currency"])
            for payment in payments
            if payment["captured"]
        }

    def close(self) -> None:
        self._client.close()

    def _act(
        self, operation: str, path: str, payload: dict[str, Any], key: str
    ) -> Outcome:
        return _asked(
            lambda: self._client.post(
                path, payload, idempotency_key=key, operation=operation
            )
        )


def _asked(call: Callable[[], Answer]) -> Outcome:
    """Ask; the client asks again where no answer comes, and the key makes it once.

    Only if no attempt got out is it certain that nothing happened.
    """
    try:
        return _outcome(call())
    except NotSentError:
        return Outcome(OutcomeStatus.NOT_SENT)
    except OutcomeUnknownError:
        return Outcome(OutcomeStatus.UNKNOWN)


def _outcome(answer: Answer) -> Outcome:
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise OutcomeUnknownError(f"The provider answered {answer.status}.")
    body = answer.json()
    try:
        if answer.status >= HTTPStatus.BAD_REQUEST:
            return Outcome(OutcomeStatus.DECLINED, failure_code=body["error"][:64])
        return Outcome(
            status=_STATUSES[body["status"]],
            reference=body["id"],
            failure_code=body["decline_code"],
        )
    except (KeyError, TypeError) as error:
        raise OutcomeUnknownError("The answer isn't one of the provider's.") from error
