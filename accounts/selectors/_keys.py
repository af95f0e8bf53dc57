from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Concat

from accounts.exceptions import ApiKeyNotFoundError
from accounts.models import ApiKey
from core.models import RateLimitPolicy


def api_keys(*, now: datetime, status: str | None = None) -> QuerySet[ApiKey]:
    by_status = {
        "active": ApiKey.objects.active(now=now),
        "expired": ApiKey.objects.expired(now=now),
        "revoked": ApiKey.objects.revoked(),
    }
    return _shown(ApiKey.objects.all() if status is None else by_status[status])


def get_api_key(key_id: UUID) -> ApiKey:
    """Return one.

    :raises ApiKeyNotFoundError:
    """
    key = _shown(ApiKey.objects.filter(pk=key_id)).first()
    if key is None:
        raise ApiKeyNotFoundError
    return key


def _shown(keys: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
    """Fetch along each one's quota, and who made it out."""
    own = RateLimitPolicy.objects.filter(
        principal=Concat(Value("key:"), OuterRef("prefix"))
    )
    return keys.select_related("created_by").annotate(
        requests_per_minute=Subquery(own.values("quota")[:1])
    )
