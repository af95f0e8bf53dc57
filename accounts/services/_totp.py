"""Authenticator apps (RFC 6238) and the recovery codes that stand in for a lost one."""

import secrets
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from io import BytesIO
from uuid import UUID

import pyotp
import segno
from django.conf import settings
from django.db import transaction

from accounts.auth import Device
from accounts.constants import ActivityKind, Method
from accounts.events import FactorAdded, FactorRemoved, RecoveryCodeUsed
from accounts.exceptions import InvalidCodeError, TotpInUseError
from accounts.models import RecoveryCode, TotpDevice, User
from accounts.selectors import has_totp
from accounts.services._activity import record_activity
from core.events import publish
from core.exceptions import NotFoundError

RECOVERY_CODES = 10
# 120 bits: enough for a plain hash to keep them safe (ASVS 6.5.2).
_RECOVERY_BYTES = 15
_GROUP = 4
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class TotpOffer:
    secret: str
    otpauth_uri: str
    qr_svg: str


def begin_totp(*, user: User, now: datetime) -> TotpOffer:
    """Offer a new seed. It guards nothing until its first code confirms it.

    :raises TotpInUseError: there is a confirmed one, which has to be removed first.
    """
    device = TotpDevice(user=user, seed=pyotp.random_base32(), created_at=now)
    with transaction.atomic():
        User.objects.select_for_update().only("pk").get(pk=user.pk)
        if has_totp(user.pk):
            raise TotpInUseError
        TotpDevice.objects.filter(user=user).delete()
        device.save(force_insert=True)
    uri = pyotp.TOTP(device.seed).provisioning_uri(
        name=user.email, issuer_name=settings.SHOP_NAME
    )
    return TotpOffer(secret=device.seed, otpauth_uri=uri, qr_svg=_qr_svg(uri))


def _qr_svg(text: str) -> str:
    """Draw it so that it works in a page as well as from an ``img``."""
    drawn = BytesIO()
    code = segno.make(text, error="m")
    code.save(drawn, kind="svg", scale=4, border=4, xmldecl=False, omitsize=True)
    return drawn.getvalue().decode().strip()


def confirm_totp(*, user: User, code: str, device: Device, now: datetime) -> list[str]:
    """Turn the app on with its first code, and return ten recovery codes, shown once.

    :raises InvalidCodeError: wrong, or there is nothing to confirm.
    """
    pending = TotpDevice.objects.filter(user=user, confirmed_at=None).first()
    step = None if pending is None else _step_of(pending.seed, code, now)
    if pending is None or step is None:
        raise InvalidCodeError
    with transaction.atomic():
        unconfirmed = TotpDevice.objects.filter(pk=pending.pk, confirmed_at=None)
        if not unconfirmed.update(confirmed_at=now, last_step=step):
            raise InvalidCodeError
        codes = _replace_recovery_codes(user.pk, now)
        _note_added(user.pk, Method.TOTP, device, now)
    return codes


@transaction.atomic
def remove_totp(*, user: User, device: Device, now: datetime) -> None:
    """Turn the app off, and its recovery codes with it.

    :raises NotFoundError:
    """
    deleted, _ = TotpDevice.objects.filter(user=user).delete()
    if not deleted:
        raise NotFoundError
    RecoveryCode.objects.filter(user=user).delete()
    publish(FactorRemoved(user_id=user.pk, factor=Method.TOTP))
    record_activity(
        user_id=user.pk,
        kind=ActivityKind.FACTOR_REMOVED,
        device=device,
        now=now,
        details={"factor": Method.TOTP},
    )


@transaction.atomic
def renew_recovery_codes(*, user: User, device: Device, now: datetime) -> list[str]:
    """Replace all recovery codes by ten new ones.

    :raises NotFoundError: there is no authenticator app that they could stand in for.
    """
    if not has_totp(user.pk):
        raise NotFoundError
    codes = _replace_recovery_codes(user.pk, now)
    _note_added(user.pk, Method.RECOVERY_CODE, device, now)
    return codes


def spend_code(
    *, user_id: UUID, code: str, device: Device, now: datetime
) -> Method | None:
    """Use up a code of the app or a recovery code; None if it is neither.

    Of two who bring the same code at once, one gets in.
    """
    text = _plain(code)
    if len(text) == _DIGITS:
        return Method.TOTP if _spend_totp(user_id, text, now) else None
    if _spend_recovery_code(user_id, text, device, now):
        return Method.RECOVERY_CODE
    return None


def _spend_totp(user_id: UUID, code: str, now: datetime) -> bool:
    device = TotpDevice.objects.confirmed().filter(user_id=user_id).first()
    step = None if device is None else _step_of(device.seed, code, now)
    if device is None or step is None:
        return False
    # A step counts once, and no older one after it.
    unused = TotpDevice.objects.filter(pk=device.pk, last_step__lt=step)
    return bool(unused.update(last_step=step))


@transaction.atomic
def _spend_recovery_code(
    user_id: UUID, code: str, device: Device, now: datetime
) -> bool:
    own = RecoveryCode.objects.filter(user_id=user_id, used_at=None)
    if not own.filter(code_hash=_hash(user_id, code)).update(used_at=now):
        return False
    left = own.count()
    publish(RecoveryCodeUsed(user_id=user_id, codes_left=left))
    record_activity(
        user_id=user_id,
        kind=ActivityKind.RECOVERY_CODE_USED,
        device=device,
        now=now,
        details={"codes_left": left},
    )
    return True


def _step_of(seed: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is: the present, or one before or after."""
    totp = pyotp.TOTP(seed)
    present = totp.timecode(now)
    # All three are compared whatever the first says, so that time tells nothing.
    found = [
        step
        for step in (present - 1, present, present + 1)
        if compare_digest(totp.generate_otp(step).encode(), _plain(code).encode())
    ]
    return found[-1] if found else None


def _replace_recovery_codes(user_id: UUID, now: datetime) -> list[str]:
    texts = [
        b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
        for _ in range(RECOVERY_CODES)
    ]
    RecoveryCode.objects.filter(user_id=user_id).delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user_id=user_id, code_hash=_hash(user_id, text), created_at=now)
        for text in texts
    )
    return ["-".join(_groups(text)) for text in texts]


def _groups(text: str) -> list[str]:
    return [text[n : n + _GROUP] for n in range(0, len(text), _GROUP)]


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").upper()


def _hash(user_id: UUID, code: str) -> bytes:
    return sha256(user_id.bytes + code.encode()).digest()


def _note_added(user_id: UUID, factor: Method, device: Device, now: datetime) -> None:
    publish(FactorAdded(user_id=user_id, factor=factor))
    record_activity(
        user_id=user_id,
        kind=ActivityKind.FACTOR_ADDED,
        device=device,
        now=now,
        details={"factor": factor},
    )
