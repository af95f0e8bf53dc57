from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.auth import Device, forget_session
from accounts.constants import Method
from accounts.exceptions import PasskeyRefusedError, StepUpFailedError
from accounts.models import Ceremony, Session, User
from accounts.selectors import step_up_methods
from accounts.services._guesses import note_failed_factor
from accounts.services._passkeys import prove_passkey
from accounts.services._totp import spend_code


def prove_again(
    *,
    user: User,
    session_id: UUID,
    device: Device,
    now: datetime,
    password: str = "",
    code: str = "",
    credential: Mapping[str, Any] | None = None,
) -> None:
    """Note on the session that it is still the same person, by one of the three.

    :raises StepUpFailedError: wrong, or not enough for an account with a second factor.
    """
    method = verify_proof(
        kind=Ceremony.Kind.STEP_UP,
        user=user,
        device=device,
        now=now,
        password=password,
        code=code,
        credential=credential,
    )
    _note_proof(session_id, method, now)


def verify_proof(
    *,
    kind: Ceremony.Kind,
    user: User,
    device: Device,
    now: datetime,
    password: str = "",
    code: str = "",
    credential: Mapping[str, Any] | None = None,
) -> Method:
    """Say by which of the three it is still the same person; keeping that is the door's.

    ``kind`` is the door's too: a passkey answers the challenges of one door only.

    :raises StepUpFailedError: wrong, or not enough for an account with a second factor.
    """
    allowed = step_up_methods(user)
    method: Method | None
    if credential is not None:
        method = _by_passkey(kind, user, credential, device, now)
    elif code:
        method = spend_code(user_id=user.pk, code=code, device=device, now=now)
    else:
        # Hashed also where it isn't enough, so that time tells nothing of it.
        is_right = bool(password) and user.check_password(password)
        method = Method.PASSWORD if is_right else None
    if method is None or method not in allowed:
        note_failed_factor(user_id=user.pk, at="step_up", device=device, now=now)
        raise StepUpFailedError(methods=allowed)
    return method


def _by_passkey(
    kind: Ceremony.Kind,
    user: User,
    credential: Mapping[str, Any],
    device: Device,
    now: datetime,
) -> Method | None:
    try:
        prove_passkey(
            kind=kind,
            credential=credential,
            device=device,
            now=now,
            user=user,
        )
    except PasskeyRefusedError:
        return None
    return Method.PASSKEY


@transaction.atomic
def _note_proof(session_id: UUID, method: Method, now: datetime) -> None:
    session = Session.objects.select_for_update().get(pk=session_id)
    session.methods = [*dict.fromkeys([*session.methods, method])]
    session.authenticated_at = now
    session.save(update_fields=["methods", "authenticated_at"])
    # What the session may now could be more.
    transaction.on_commit(partial(forget_session, session_id))
