"""The question after a right first proof, and its answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.auth import Device, make_ticket, read_ticket
from accounts.constants import TICKET_LIFETIME, Method
from accounts.exceptions import InvalidTicketError, PasskeyRefusedError, WrongCodeError
from accounts.models import Ceremony, User
from accounts.services._ceremonies import (
    find_ceremony,
    open_ceremony,
    spend_ceremony,
    take_attempt,
)
from accounts.services._guesses import note_failed_factor
from accounts.services._totp import spend_code


@dataclass(frozen=True, slots=True)
class MfaRequired:
    """The first proof was right, and the person has a second one to give."""

    ticket: str
    methods: tuple[str, ...]


def ask_for_more(
    kind: Ceremony.Kind,
    *,
    user: User,
    steps: Sequence[Method],
    methods: Sequence[str],
    device: Device,
    now: datetime,
) -> MfaRequired:
    """Remember what was proved, and ask for one of ``steps``."""
    ceremony = open_ceremony(
        kind=kind,
        user_id=user.pk,
        device=device,
        now=now,
        lifetime=TICKET_LIFETIME,
        payload={"methods": list(methods)},
    )
    ticket = make_ticket(user_id=user.pk, ceremony_id=ceremony.pk)
    return MfaRequired(ticket=ticket, methods=tuple(steps))


def find_ticket(
    kind: Ceremony.Kind, *, ticket: str, device: Device, now: datetime
) -> tuple[Ceremony, User]:
    """Return the question that the ticket is for, and whom it asks.

    :raises InvalidTicketError: forged, old, used, another device's, or tried too often.
    """
    user_id, ceremony_id = read_ticket(ticket) or (None, None)
    if user_id is None or ceremony_id is None:
        raise InvalidTicketError
    ceremony = find_ceremony(
        ceremony_id, kind=kind, user_id=user_id, device=device, now=now
    )
    user = User.objects.active().filter(pk=user_id).first()
    if ceremony is None or user is None:
        raise InvalidTicketError
    return ceremony, user


def prove_ticket(
    kind: Ceremony.Kind,
    *,
    ticket: str,
    device: Device,
    now: datetime,
    answer: Callable[[User], Method],
) -> tuple[User, list[str]]:
    """Return who has given both proofs, and by which methods; the ticket is used up.

    ``answer`` looks at the second proof, and says what it was or raises one of the last
    two; the ticket holds for another try then.

    :raises InvalidTicketError: forged, old, used, another device's, or tried too often.
    :raises WrongCodeError:
    :raises PasskeyRefusedError:
    """
    ceremony, user = find_ticket(kind, ticket=ticket, device=device, now=now)
    if not take_attempt(ceremony, now=now):
        raise InvalidTicketError
    try:
        method = answer(user)
    except (WrongCodeError, PasskeyRefusedError):
        note_failed_factor(user_id=user.pk, at="sign_in", device=device, now=now)
        raise
    if not spend_ceremony(ceremony, device=device, now=now):
        raise InvalidTicketError
    return user, [*ceremony.payload["methods"], method]


def prove_ticket_by_code(
    kind: Ceremony.Kind, *, ticket: str, code: str, device: Device, now: datetime
) -> tuple[User, list[str]]:
    """Take a code of the app or a recovery code for the second proof."""

    def spend(user: User) -> Method:
        method = spend_code(user_id=user.pk, code=code, device=device, now=now)
        if method is None:
            raise WrongCodeError
        return method

    return prove_ticket(kind, ticket=ticket, device=device, now=now, answer=spend)
