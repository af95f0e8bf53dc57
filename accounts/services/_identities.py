"""Accounts at other providers that sign in to the accounts here."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.auth import (
    Claims,
    Device,
    Provider,
    UntrustedAnswerError,
    authorization_url,
    claims_behind,
    find_provider,
)
from accounts.constants import OAUTH_LIFETIME, ActivityKind, Method, Role
from accounts.events import IdentityLinked, IdentityUnlinked
from accounts.exceptions import (
    IdentityInUseError,
    IdentityLinkRequiredError,
    IdentityProviderUnavailableError,
    InvalidTicketError,
    LastSignInMethodError,
    OAuthRefusedError,
    ProviderEmailUnverifiedError,
    RedirectUriRefusedError,
)
from accounts.models import Ceremony, Identity, User
from accounts.services._activity import record_activity
from accounts.services._ceremonies import open_ceremony, spend_answer
from accounts.services._people import create_user
from accounts.services._signing_in import SignedIn, complete_sign_in
from accounts.services._tickets import MfaRequired
from accounts.services._ways_in import has_way_in
from core.encryption import seal, unseal
from core.events import publish
from core.exceptions import NotFoundError
from core.http_client import OutgoingCallError

_Kind = Ceremony.Kind
_OFFER = "identity-offer"
_log = structlog.get_logger("oauth")


@dataclass(frozen=True, slots=True)
class OAuthStart:
    authorization_url: str
    state: str


def begin_oauth(
    *,
    provider: str,
    redirect_uri: str,
    device: Device,
    now: datetime,
    user: User | None = None,
) -> OAuthStart:
    """Return where to send the person: to sign in, or to link to this account.

    :raises NotFoundError: there is no such provider.
    :raises RedirectUriRefusedError: it isn't, to the letter, one of the settings'.
    :raises IdentityProviderUnavailableError:
    """
    found = _provider(provider)
    if redirect_uri not in _pages_of(found):
        raise RedirectUriRefusedError
    state = secrets.token_urlsafe(32)
    try:
        url = authorization_url(found, redirect_uri=redirect_uri, state=state)
    except (OutgoingCallError, UntrustedAnswerError) as error:
        _log.warning("oauth_unavailable", provider=found.name, reason=str(error))
        raise IdentityProviderUnavailableError from error
    open_ceremony(
        kind=_Kind.OAUTH_SIGN_IN if user is None else _Kind.OAUTH_LINK,
        user_id=None if user is None else user.pk,
        answer=state.encode(),
        device=device,
        now=now,
        lifetime=OAUTH_LIFETIME,
        payload={"provider": found.name, "redirect_uri": redirect_uri},
    )
    return OAuthStart(authorization_url=url, state=state)


def sign_in_with_provider(
    *,
    provider: str,
    code: str,
    state: str,
    issuer: str,
    device: Device,
    now: datetime,
) -> SignedIn | MfaRequired:
    """Exchange a provider's code for tokens, or for the question after them.

    An identity that nobody has opens a new account, with the address that the provider
    verified. It never joins an account that has this address already: its owner has to
    sign in once and link it.

    :raises OAuthRefusedError: whatever is wrong, without saying what.
    :raises ProviderEmailUnverifiedError:
    :raises IdentityLinkRequiredError: with the ticket to link by.
    :raises IdentityProviderUnavailableError:
    """
    _, claims = _claims(
        _Kind.OAUTH_SIGN_IN, provider, code, state, issuer, device=device, now=now
    )
    user = _owner_of(claims, now) or _new_account(provider, claims, device, now)
    if not user.is_active:
        raise OAuthRefusedError
    return complete_sign_in(user=user, device=device, methods=(Method.OAUTH,), now=now)


def link_identity(
    *,
    user: User,
    provider: str,
    code: str,
    state: str,
    issuer: str,
    device: Device,
    now: datetime,
) -> Identity:
    """Have the provider's account sign in to this one from now on.

    :raises OAuthRefusedError: also for a state that somebody else asked for.
    :raises IdentityInUseError: it signs in to another account.
    """
    ceremony, claims = _claims(
        _Kind.OAUTH_LINK, provider, code, state, issuer, device=device, now=now
    )
    if ceremony.user_id != user.pk:
        raise OAuthRefusedError
    return _link(user, provider, claims, device, now)


def link_offered_identity(
    *, user: User, ticket: str, device: Device, now: datetime
) -> Identity:
    """Link what ``IdentityLinkRequiredError`` offered, as the account's signed-in owner.

    :raises InvalidTicketError: also for a ticket to another account.
    """
    ceremony = spend_answer(
        kind=_Kind.IDENTITY_OFFER, answer=ticket.encode(), device=device, now=now
    )
    if ceremony is None or ceremony.user_id != user.pk:
        raise InvalidTicketError
    text = unseal(ceremony.payload["claims"], context=f"{_OFFER}:{user.pk}")
    claims = Claims(**orjson.loads(text))
    return _link(user, ceremony.payload["provider"], claims, device, now)


@transaction.atomic
def unlink_identity(
    *, user: User, identity_id: UUID, device: Device, now: datetime
) -> None:
    """Forget a provider's account.

    :raises NotFoundError:
    :raises LastSignInMethodError: nothing else would open the account.
    """
    # Of two who take a way in each, the second sees what the first left.
    owner = User.objects.select_for_update().get(pk=user.pk)
    identity = Identity.objects.filter(user=owner, pk=identity_id).first()
    if identity is None:
        raise NotFoundError
    if not has_way_in(owner, without=identity):
        raise LastSignInMethodError
    publish(IdentityUnlinked(user_id=owner.pk, provider=identity.provider))
    _note(ActivityKind.IDENTITY_UNLINKED, identity, device, now)
    identity.delete()


def _pages_of(provider: Provider) -> list[str]:
    """Return the pages that may receive the provider's answers.

    Those of a setting with ``{provider}`` are each one provider's own: a code that comes
    to another's page was mixed up on the way (RFC 9700, 4.4.2.2).
    """
    return [
        uri.replace("{provider}", provider.name) for uri in settings.OAUTH_REDIRECT_URIS
    ]


def _provider(name: str) -> Provider:
    found = find_provider(name)
    if found is None:
        raise NotFoundError
    return found


def _claims(
    kind: Ceremony.Kind,
    provider: str,
    code: str,
    state: str,
    issuer: str,
    *,
    device: Device,
    now: datetime,
) -> tuple[Ceremony, Claims]:
    """Spend the state, which is single use, and only then ask the provider."""
    found = _provider(provider)
    ceremony = spend_answer(kind=kind, answer=state.encode(), device=device, now=now)
    if ceremony is None or ceremony.payload["provider"] != found.name:
        raise OAuthRefusedError
    try:
        claims = claims_behind(
            found,
            code=code,
            state=state,
            redirect_uri=ceremony.payload["redirect_uri"],
            issuer=issuer,
        )
    except UntrustedAnswerError as error:
        _log.warning("oauth_refused", provider=found.name, reason=str(error))
        raise OAuthRefusedError from error
    except OutgoingCallError as error:
        _log.warning("oauth_unavailable", provider=found.name, reason=str(error))
        raise IdentityProviderUnavailableError from error
    return ceremony, claims


def _owner_of(claims: Claims, now: datetime) -> User | None:
    rows = Identity.objects.filter(issuer=claims.issuer, subject=claims.subject)
    identity = rows.select_related("user").first()
    if identity is None:
        return None
    rows.update(last_used_at=now)
    return identity.user


def _new_account(provider: str, claims: Claims, device: Device, now: datetime) -> User:
    if not claims.verified_email:
        # Said before anybody looks whether the address has an account.
        raise ProviderEmailUnverifiedError
    try:
        with transaction.atomic():
            user = create_user(
                email=claims.verified_email,
                password=None,
                name=claims.name,
                roles=(Role.CUSTOMER,),
            )
            User.objects.filter(pk=user.pk).update(email_verified_at=now)
            user.email_verified_at = now
            record_activity(
                user_id=user.pk, kind=ActivityKind.REGISTERED, device=device, now=now
            )
            _link(user, provider, claims, device, now)
    except IntegrityError as error:
        # Of two first sign-ins at once the other was faster.
        if (owner := _owner_of(claims, now)) is not None:
            return owner
        raise _offer(provider, claims, device, now) from error
    return user


def _offer(provider: str, claims: Claims, device: Device, now: datetime) -> Exception:
    """Make the refusal by which the owner of the address can link the identity."""
    address = User.objects.normalize_email(claims.verified_email)
    owner = User.objects.filter(email=address).first()
    if owner is None:
        return OAuthRefusedError()
    ticket = secrets.token_urlsafe(32)
    # The address is personal, and the ceremony's payload rests as it is.
    sealed = seal(_as_text(claims), context=f"{_OFFER}:{owner.pk}")
    open_ceremony(
        kind=_Kind.IDENTITY_OFFER,
        user_id=owner.pk,
        answer=ticket.encode(),
        device=device,
        now=now,
        lifetime=OAUTH_LIFETIME,
        payload={"provider": provider, "claims": sealed},
    )
    return IdentityLinkRequiredError(ticket=ticket)


def _as_text(claims: Claims) -> str:
    return orjson.dumps(claims).decode()


def _link(
    user: User, provider: str, claims: Claims, device: Device, now: datetime
) -> Identity:
    known = Identity.objects.filter(issuer=claims.issuer, subject=claims.subject)
    identity = Identity(
        user=user,
        provider=provider,
        issuer=claims.issuer,
        subject=claims.subject,
        email=claims.verified_email,
        created_at=now,
    )
    try:
        with transaction.atomic():
            identity.save(force_insert=True)
            publish(IdentityLinked(user_id=user.pk, provider=provider))
            _note(ActivityKind.IDENTITY_LINKED, identity, device, now)
    except IntegrityError as error:
        mine = known.filter(user=user).first()
        if mine is None:
            raise IdentityInUseError from error
        return mine
    return identity


def _note(
    kind: ActivityKind, identity: Identity, device: Device, now: datetime
) -> None:
    record_activity(
        user_id=identity.user_id,
        kind=kind,
        device=device,
        now=now,
        details={"provider": identity.provider},
    )
