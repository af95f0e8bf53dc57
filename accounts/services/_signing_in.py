from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import authenticate
from django.db import transaction

from accounts.auth import Device, TokenPair
from accounts.constants import ActivityKind, Method
from accounts.exceptions import InvalidCredentialsError
from accounts.models import User
from accounts.services._activity import record_activity
from accounts.services._sessions import start_session


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    tokens: TokenPair


def sign_in(*, email: str, password: str, device: Device, now: datetime) -> SignedIn:
    """Exchange an address and a password for tokens.

    Takes as long for an unknown address as for a wrong password: Django hashes either
    way, and the account's state is looked at only after that.

    :raises InvalidCredentialsError: for any reason, without saying which.
    """
    user = authenticate(username=email, password=password)
    if not isinstance(user, User):
        raise InvalidCredentialsError
    return complete_sign_in(
        user=user, device=device, methods=(Method.PASSWORD,), now=now
    )


@transaction.atomic
def complete_sign_in(
    *, user: User, device: Device, methods: Sequence[str], now: datetime
) -> SignedIn:
    """Open a session for who has given a first proof: the only door to one."""
    tokens = start_session(user=user, device=device, methods=methods, now=now)
    User.objects.filter(pk=user.pk).update(last_login=now)
    record_activity(
        user_id=user.pk,
        kind=ActivityKind.SIGNED_IN,
        device=device,
        now=now,
        details={"methods": list(methods)},
    )
    return SignedIn(user=user, tokens=tokens)
