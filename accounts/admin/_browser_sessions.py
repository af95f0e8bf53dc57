"""A browser's session in the administration, and the account's session that it stands for.

The cookie leads to the former, which Django keeps; it holds the latter's id. The latter is
in its owner's list, and whatever ends sessions ends it: this is asked for every page.
"""

from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import services
from accounts.auth import device_of, user_of_session
from accounts.constants import EndReason
from accounts.models import Session, User

_SESSION = "accounts.session"
_IS_OPEN = "accounts.session_is_open"


def enter(request: HttpRequest, user: User, session: Session) -> None:
    """Start the browser's session anew, so that one planted before is worth nothing."""
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    stand_for(request, session)


def stand_for(request: HttpRequest, session: Session) -> None:
    request.session[_SESSION] = session.pk.hex


def session_id_of(request: HttpRequest) -> UUID | None:
    kept = request.session.get(_SESSION)
    return UUID(kept) if isinstance(kept, str) else None


def is_open(request: HttpRequest) -> bool:
    """Tell whether the account's session goes on; at most five seconds late."""
    # A page asks several times.
    if _IS_OPEN not in request.META:
        request.META[_IS_OPEN] = _goes_on(session_id_of(request), request.user.pk)
    return bool(request.META[_IS_OPEN])


def _goes_on(session_id: UUID | None, user_id: UUID | None) -> bool:
    if session_id is None:
        return False
    user = user_of_session(session_id, now=timezone.now())
    return user is not None and user.pk == user_id


def sign_out(request: HttpRequest) -> HttpResponse:
    """End the account's session with the browser's."""
    session_id, user = session_id_of(request), request.user
    if request.method == "POST" and session_id and user.is_authenticated:
        services.end_session(
            session_id,
            user_id=user.pk,
            reason=EndReason.SIGNED_OUT,
            device=device_of(request),
            now=timezone.now(),
        )
    return admin.site.logout(request)
