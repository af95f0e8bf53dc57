from datetime import datetime

from django.db import transaction

from accounts.auth import Device
from accounts.constants import ActivityKind, Method
from accounts.exceptions import InvalidTokenError
from accounts.models import AccountToken, User
from accounts.services._activity import record_activity
from accounts.services._links import find_link, revoke_links, use_link
from accounts.services._signing_in import SignedIn, complete_sign_in
from accounts.services._tickets import MfaRequired


@transaction.atomic
def verify_email(
    *, token: str, device: Device, now: datetime
) -> SignedIn | MfaRequired:
    """Believe that the person reads the address, and sign in.

    :raises InvalidTokenError:
    """
    link = find_link(token, purpose=AccountToken.Purpose.VERIFY_EMAIL, now=now)
    user = link.user
    if link.email != user.email:
        raise InvalidTokenError
    use_link(link, now=now)
    mark_verified(user, device=device, now=now)
    return complete_sign_in(user=user, device=device, methods=(Method.EMAIL,), now=now)


def mark_verified(user: User, *, device: Device | None, now: datetime) -> None:
    if user.email_verified:
        return
    user.email_verified_at = now
    user.save(update_fields=["email_verified_at", "updated_at"])
    revoke_links(user, AccountToken.Purpose.VERIFY_EMAIL, now=now)
    record_activity(
        user_id=user.pk, kind=ActivityKind.EMAIL_VERIFIED, device=device, now=now
    )
