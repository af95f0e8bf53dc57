"""Passkeys (WebAuthn level 2): made with and asked for user verification, each time."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.authentication.verify_authentication_response import (
    VerifiedAuthentication,
)
from webauthn.helpers import (
    base64url_to_bytes,
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from accounts.auth import Device
from accounts.constants import TICKET_LIFETIME, ActivityKind, Method
from accounts.events import FactorAdded, FactorRemoved, PasskeyCounterRegressed
from accounts.exceptions import (
    LastSignInMethodError,
    PasskeyRefusedError,
    TooManyPasskeysError,
)
from accounts.models import Ceremony, Passkey, User
from accounts.services._activity import record_activity
from accounts.services._ceremonies import open_ceremony, spend_answer
from accounts.services._ways_in import has_way_in
from core.events import publish
from core.exceptions import NotFoundError

MOST_PASSKEYS = 20
_ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_Kind = Ceremony.Kind
# What the library raises over input that no authenticator makes.
_MALFORMED = (WebAuthnException, ValueError, KeyError, TypeError, IndexError)


def passkey_registration_options(
    *, user: User, device: Device, now: datetime
) -> dict[str, Any]:
    known = Passkey.objects.filter(user=user).values_list("credential_id", flat=True)
    options = generate_registration_options(
        rp_id=settings.PASSKEY_RP_ID,
        rp_name=settings.SHOP_NAME,
        user_id=user.pk.bytes,
        user_name=user.email,
        user_display_name=user.name or user.email,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=bytes(one)) for one in known
        ],
        supported_pub_key_algs=_ALGORITHMS,
    )
    open_ceremony(
        kind=_Kind.PASSKEY_REGISTRATION,
        user_id=user.pk,
        answer=options.challenge,
        device=device,
        now=now,
        lifetime=TICKET_LIFETIME,
    )
    shown: dict[str, Any] = options_to_json_dict(options)
    return shown


def register_passkey(
    *,
    user: User,
    credential: Mapping[str, Any],
    name: str,
    device: Device,
    now: datetime,
) -> Passkey:
    """Keep a new passkey.

    :raises PasskeyRefusedError: without saying why.
    :raises TooManyPasskeysError:
    """
    made = _verified_registration(user, credential, device, now)
    passkey = Passkey(
        user=user,
        name=name,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        transports=_transports(credential),
        is_backed_up=made.credential_backed_up,
        created_at=now,
    )
    try:
        with transaction.atomic():
            User.objects.select_for_update().only("pk").get(pk=user.pk)
            if Passkey.objects.filter(user=user).count() >= MOST_PASSKEYS:
                raise TooManyPasskeysError
            passkey.save(force_insert=True)
            publish(FactorAdded(user_id=user.pk, factor=Method.PASSKEY))
            _note(ActivityKind.FACTOR_ADDED, passkey, device, now)
    except IntegrityError as error:
        # Somebody has it already; whose it is is not told.
        raise PasskeyRefusedError from error
    return passkey


def passkey_sign_in_options(
    *, kind: Ceremony.Kind, device: Device, now: datetime, user: User | None = None
) -> dict[str, Any]:
    """Ask for any passkey of this shop or, where it is known who is there, for his.

    ``kind`` says what for: the answer serves nothing else.
    """
    descriptors = None
    if user is not None:
        own = Passkey.objects.filter(user=user).values_list("credential_id", flat=True)
        descriptors = [PublicKeyCredentialDescriptor(id=bytes(one)) for one in own]
    options = generate_authentication_options(
        rp_id=settings.PASSKEY_RP_ID,
        allow_credentials=descriptors,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    open_ceremony(
        kind=kind,
        user_id=None if user is None else user.pk,
        answer=options.challenge,
        device=device,
        now=now,
        lifetime=TICKET_LIFETIME,
    )
    shown: dict[str, Any] = options_to_json_dict(options)
    return shown


def prove_passkey(
    *,
    kind: Ceremony.Kind,
    credential: Mapping[str, Any],
    device: Device,
    now: datetime,
    user: User | None = None,
) -> User:
    """Return whose passkey has signed the challenge, which counts once.

    A counter that did not grow means that there are two of the authenticator: it is
    refused, and the owner is told.

    :raises PasskeyRefusedError: without saying why.
    """
    challenge = _challenge_of(credential)
    ceremony = spend_answer(kind=kind, answer=challenge, device=device, now=now)
    passkey = _named_passkey(credential, needs_handle=user is None)
    if ceremony is None or passkey is None:
        raise PasskeyRefusedError
    if user is not None and not user.pk == passkey.user_id == ceremony.user_id:
        raise PasskeyRefusedError
    proof = _verified_assertion(passkey, credential, challenge)
    if not _raise_count(passkey, proof.new_sign_count, now):
        _tell_of_regression(passkey, device, now)
        raise PasskeyRefusedError
    return passkey.user


def rename_passkey(*, user: User, passkey_id: UUID, name: str) -> Passkey:
    """Call a passkey something else.

    :raises NotFoundError:
    """
    own = Passkey.objects.filter(user=user, pk=passkey_id)
    if not own.update(name=name):
        raise NotFoundError
    return own.get()


@transaction.atomic
def remove_passkey(
    *, user: User, passkey_id: UUID, device: Device, now: datetime
) -> None:
    """Forget a passkey.

    :raises NotFoundError:
    :raises LastSignInMethodError: nothing else would open the account.
    """
    # Of two who take a way in each, the second sees what the first left.
    owner = User.objects.select_for_update().get(pk=user.pk)
    passkey = Passkey.objects.filter(user=owner, pk=passkey_id).first()
    if passkey is None:
        raise NotFoundError
    if not has_way_in(owner, without=passkey):
        raise LastSignInMethodError
    publish(FactorRemoved(user_id=owner.pk, factor=Method.PASSKEY))
    _note(ActivityKind.FACTOR_REMOVED, passkey, device, now)
    passkey.delete()


def _verified_registration(
    user: User, credential: Mapping[str, Any], device: Device, now: datetime
) -> VerifiedRegistration:
    challenge = _challenge_of(credential)
    ceremony = spend_answer(
        kind=_Kind.PASSKEY_REGISTRATION, answer=challenge, device=device, now=now
    )
    if ceremony is None or ceremony.user_id != user.pk:
        raise PasskeyRefusedError
    try:
        return verify_registration_response(
            credential=parse_registration_credential_json(dict(credential)),
            expected_challenge=challenge,
            expected_rp_id=settings.PASSKEY_RP_ID,
            expected_origin=settings.PASSKEY_ORIGINS,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
    except Exception as error:
        raise PasskeyRefusedError from error


def _verified_assertion(
    passkey: Passkey, credential: Mapping[str, Any], challenge: bytes
) -> VerifiedAuthentication:
    try:
        return verify_authentication_response(
            credential=parse_authentication_credential_json(dict(credential)),
            expected_challenge=challenge,
            expected_rp_id=settings.PASSKEY_RP_ID,
            expected_origin=settings.PASSKEY_ORIGINS,
            credential_public_key=bytes(passkey.public_key),
            # Compared only once the signature is known to be right: else anybody
            # could have the owner told of a copy that there isn't.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception as error:
        raise PasskeyRefusedError from error


def _challenge_of(credential: Mapping[str, Any]) -> bytes:
    """Read which challenge it claims to answer; nothing is proved by that yet."""
    try:
        raw = base64url_to_bytes(credential["response"]["clientDataJSON"])
        # A page inside another's frame is not where the person believes to be.
        if json.loads(raw).get("crossOrigin"):
            raise PasskeyRefusedError
        return parse_client_data_json(raw).challenge
    except (*_MALFORMED, AttributeError) as error:
        raise PasskeyRefusedError from error


def _named_passkey(
    credential: Mapping[str, Any], *, needs_handle: bool
) -> Passkey | None:
    try:
        credential_id = base64url_to_bytes(credential["id"])
        handle = credential["response"].get("userHandle")
        user_id = UUID(bytes=base64url_to_bytes(handle)) if handle else None
    except _MALFORMED as error:
        raise PasskeyRefusedError from error
    passkey = (
        Passkey.objects.select_related("user")
        .filter(credential_id=credential_id, user__is_active=True)
        .first()
    )
    expected = {passkey.user_id} if passkey else set()
    # Where nobody was named before, the authenticator must say whose it is (§7.2, 6).
    return (
        passkey if user_id in expected | (set() if needs_handle else {None}) else None
    )


def _raise_count(passkey: Passkey, count: int, now: datetime) -> bool:
    """Write the authenticator's count down, if it has grown or never counts."""
    may = Q(sign_count__lt=count) if count else Q(sign_count=0)
    rows = Passkey.objects.filter(may, pk=passkey.pk)
    return bool(rows.update(sign_count=count, last_used_at=now))


@transaction.atomic
def _tell_of_regression(passkey: Passkey, device: Device, now: datetime) -> None:
    publish(PasskeyCounterRegressed(user_id=passkey.user_id, passkey_id=passkey.pk))
    _note(ActivityKind.FACTOR_FAILED, passkey, device, now, reason="counter_regressed")


def _transports(credential: Mapping[str, Any]) -> list[str]:
    return list(credential["response"].get("transports") or [])


def _note(
    kind: ActivityKind, passkey: Passkey, device: Device, now: datetime, **more: str
) -> None:
    record_activity(
        user_id=passkey.user_id,
        kind=kind,
        device=device,
        now=now,
        details={"factor": Method.PASSKEY, "name": passkey.name} | more,
    )
