from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from accounts.auth import Key, key_from, key_ring, new_key_secret
from accounts.constants import (
    ACCESS_LIFETIME,
    CLOCK_LEEWAY,
    SIGNING_KEY_LEAD,
)
from accounts.models import SigningKey

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('accounts.signing_key', 0))"


def signing_key(*, now: datetime) -> Key:
    """Return the key that signs now; makes the first one."""
    return key_ring.signing(now=now) or _make_first(now=now)


@transaction.atomic
def _make_first(*, now: datetime) -> Key:
    _lock()
    found = _keys().filter(signs_from__lte=now).order_by("-signs_from").first()
    # Not put into the ring: should this transaction fail, there is no such key.
    return key_from(found or _make(signs_from=now, now=now))


@transaction.atomic
def rotate_signing_key(*, now: datetime, is_leaked: bool = False) -> SigningKey:
    """Make the key that signs next.

    It signs once every node has had the time to learn of it, and the former ones are
    believed until their last token has run out: nobody is refused. After a leak nothing
    waits: within SIGNING_KEYS_REFRESH_SECONDS every node refuses all access tokens that
    are out, until they are refreshed.
    """
    _lock()
    signs_from = now
    if is_leaked:
        # Gone rather than over, which each node would tell by a clock of its own.
        SigningKey.objects.all().delete()
    else:
        signs_from = now + SIGNING_KEY_LEAD
        # A node may sign with the former one until it reads the table again.
        believed_until = signs_from + SIGNING_KEY_LEAD + ACCESS_LIFETIME + CLOCK_LEEWAY
        former = SigningKey.objects.filter(
            Q(verifies_until=None) | Q(verifies_until__gt=believed_until)
        )
        former.update(verifies_until=believed_until)
    key = _make(signs_from=signs_from, now=now)
    transaction.on_commit(key_ring.forget)
    return key


@transaction.atomic
def rotate_signing_key_if_due(*, now: datetime) -> SigningKey | None:
    """Rotate once the newest key is old enough, and drop those that verify nothing."""
    _lock()
    SigningKey.objects.filter(verifies_until__lte=now).delete()
    oldest = now - timedelta(days=settings.SIGNING_KEY_DAYS)
    if _keys().filter(created_at__gt=oldest).exists():
        return None
    return rotate_signing_key(now=now)


def _keys() -> "QuerySet[SigningKey]":
    believed = SigningKey.objects.filter(verifies_until=None)
    return believed.filter(algorithm=settings.TOKEN_ALGORITHM)


def _make(*, signs_from: datetime, now: datetime) -> SigningKey:
    algorithm = settings.TOKEN_ALGORITHM
    return SigningKey.objects.create(
        kid=uuid4().hex,
        algorithm=algorithm,
        secret=new_key_secret(algorithm),
        created_at=now,
        signs_from=signs_from,
    )


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
