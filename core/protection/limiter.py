"""Decide whether a request is within its caller's quotas.

Fails to the near side: with Valkey out each process counts by itself, and policies that
are strict grant there only the process's share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import ceil
from typing import Any

import orjson
import redis
import structlog
from django.conf import settings
from django.http import HttpRequest

from core.exceptions import QuotaExceededError
from core.protection.addresses import Client
from core.protection.counters import counters
from core.protection.line import line
from core.protection.policies import PER_ACCOUNT, PER_ADDRESS, Policy
from core.protection.principals import Principal, principal_of
from core.protection.rules import rulebook
from core.protection.sparing import SparingBuckets
from core.protection.token_bucket import Bucket, Level, LocalBuckets, SharedBuckets

_log = structlog.get_logger("rate_limit")
# A form to sign in is small; what is larger isn't one.
_MOST_FORM_BYTES = 65_536

shared = SparingBuckets(SharedBuckets(line.call))
local = LocalBuckets()


@dataclass(frozen=True, slots=True)
class Verdict:
    headers: dict[str, str] = field(default_factory=dict)
    error: QuotaExceededError | None = None


_UNCOUNTED = Verdict()


def judge(request: HttpRequest, client: Client) -> Verdict:
    """Take the request's cost from every bucket that applies, or refuse it."""
    rules = rulebook.current()
    principal = principal_of(request, client)
    method = "GET" if request.method == "HEAD" else request.method or ""
    path = request.path_info
    found = rules.policies_for(role=principal.role, method=method, path=path)
    weight = rules.weight_of(method, path)
    policies, buckets = [], []
    for policy in found:
        bucket = _bucket(policy, weight, request, client, principal)
        if bucket is not None:
            policies.append(policy)
            buckets.append(bucket)
    if not buckets:
        return _UNCOUNTED
    return _verdict(policies, buckets, take(buckets), principal)


def take(buckets: Sequence[Bucket]) -> list[Level]:
    """Ask Valkey, or this process's memory while Valkey is out. Never raises."""
    try:
        return shared.take(buckets)
    except redis.RedisError:
        counters.add("fallback")
        return local.take([_share(b) if b.is_strict else b for b in buckets])


def _share(bucket: Bucket) -> Bucket:
    """Reduce a bucket so that a machine's processes together grant what it would."""
    processes = settings.WEB_PROCESSES
    capacity = max(bucket.cost, bucket.capacity // processes)
    return replace(bucket, capacity=capacity, rate=bucket.rate / processes)


def _bucket(
    policy: Policy,
    weight: int,
    request: HttpRequest,
    client: Client,
    principal: Principal,
) -> Bucket | None:
    if policy.per == PER_ADDRESS:
        owner = f"ip:{client.name}"
    elif policy.per == PER_ACCOUNT:
        account = _account(request)
        if not account:
            return None
        owner = f"account:{account}"
    else:
        owner = principal.name
    return Bucket(
        # The braces keep one owner's buckets in one slot of a cluster.
        f"{settings.CACHES['default']['KEY_PREFIX']}:limit:{{{owner}}}:{policy.name}",
        policy.capacity,
        policy.rate,
        policy.cost(weight),
        policy.is_enforced and settings.RATE_LIMIT_MODE == "enforce",
        policy.is_strict,
    )


def _account(request: HttpRequest) -> str:
    """Return whom a form signs in, unreadable; empty where it names nobody."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > _MOST_FORM_BYTES:
        return ""
    name: Any
    if request.content_type == "application/json":
        try:
            name = orjson.loads(request.body)["email"]
        except (ValueError, KeyError, TypeError, IndexError):
            return ""
    else:
        name = request.POST.get("username", "")
    if not isinstance(name, str) or not name.strip():
        return ""
    text = name.strip().casefold().encode(errors="replace")
    return blake2b(
        text, digest_size=12, key=settings.SECRET_KEY.encode()[:64]
    ).hexdigest()


def _verdict(
    policies: Sequence[Policy],
    buckets: Sequence[Bucket],
    levels: Sequence[Level],
    principal: Principal,
) -> Verdict:
    short: list[tuple[Policy, Level]] = []
    would: list[tuple[Policy, Level]] = []
    shown: list[tuple[Policy, Level]] = []
    names = []
    for policy, bucket, level in zip(policies, buckets, levels, strict=True):
        if bucket.refuses:
            shown.append((policy, level))
        if level.is_short:
            (short if bucket.refuses else would).append((policy, level))
            names.append(f"refusals|{policy.name}|{str(bucket.refuses).lower()}")
        if policy.is_near(level):
            names.append(f"near|{policy.name}")
    outcome = "refused" if short else "would_refuse" if would else "admitted"
    counters.add(f"requests|{principal.role}|{outcome}", *names)
    if would:
        _log.info("rate_limit_would_refuse", policies=[p.name for p, _ in would])
    if short:
        return _refusal(short)
    return Verdict(_headers(shown) if shown else {})


def _headers(counted: Sequence[tuple[Policy, Level]]) -> dict[str, str]:
    return {
        "RateLimit-Policy": ", ".join([policy.text for policy, _ in counted]),
        "RateLimit": ", ".join([p.quota_text(level) for p, level in counted]),
    }


def _refusal(short: Sequence[tuple[Policy, Level]]) -> Verdict:
    names = [policy.name for policy, _ in short]
    wait = max(ceil(level.wait_seconds) for _, level in short)
    error = QuotaExceededError(
        f"Used up: {', '.join(names)}. Wait {wait} s.",
        retry_after=wait,
        violated_policies=names,
    )
    return Verdict(_headers(short), error)
