"""Decide whether a request is within its caller's quotas.

Fails to the near side: with Valkey out each process counts by itself, and policies that
are strict grant there only the process's share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from core.exceptions import QuotaExceededError
from core.protection.addresses import Client, client_of
from core.protection.attempts import Attempt, attempt_of
from core.protection.counters import counters
from core.protection.line import line
from core.protection.policies import PER_ACCOUNT, PER_ADDRESS, PER_PAIR, Policy
from core.protection.principals import Principal, principal_of
from core.protection.refusals import count_refusal
from core.protection.rules import rulebook
from core.protection.sparing import SparingBuckets
from core.protection.switches import mode_of
from core.protection.token_bucket import Bucket, Level, LocalBuckets, SharedBuckets

_log = structlog.get_logger("rate_limit")
_ATTEMPTS = frozenset({PER_ACCOUNT, PER_PAIR})
_TAKEN = "shopwright.limits.taken"

shared = SparingBuckets(SharedBuckets(line.call))
local = LocalBuckets()


@dataclass(frozen=True, slots=True)
class Verdict:
    headers: dict[str, str] = field(default_factory=dict)
    error: QuotaExceededError | None = None
    outcome: str = "admitted"
    # What to count of it.
    marks: list[str] = field(default_factory=list)


_UNCOUNTED = Verdict()


def judge(request: HttpRequest, client: Client) -> Verdict:
    """Take the request's cost from every bucket that applies, or refuse it."""
    rules = rulebook.current()
    principal = principal_of(request, client)
    method = "GET" if request.method == "HEAD" else request.method or ""
    path = request.path_info
    found = rules.policies_for(
        role=principal.role, method=method, path=path, principal=principal.name
    )
    weight = rules.weight_of(method, path)
    attempt = _attempt(found, request)
    demands = [
        (policy, _bucket(policy, weight, owner))
        for policy in found
        if (owner := _owner(policy, client, principal, attempt))
    ]
    if not demands:
        return _UNCOUNTED
    verdict = _take_all(request, demands, attempt)
    counters.add(f"requests|{principal.role}|{verdict.outcome}", *verdict.marks)
    return verdict


def count_as(
    request: HttpRequest,
    path: str,
    *,
    attempt: Attempt | None = None,
    principal: Principal | None = None,
) -> None:
    """Count the request as a call of another route, whose limits it shares.

    For a second door to the same place: whoever is refused at one is refused at the
    other. What holds for all routes has counted the request before. A view may know
    better than the middleware who calls, or whom the form names.

    :raises QuotaExceededError:
    """
    if mode_of("rate_limit") == "off":
        return
    client = client_of(request)
    caller = principal or principal_of(request, client)
    found = rulebook.current().policies_of_route(
        role=caller.role, method=request.method or "", path=path
    )
    demands = [
        (policy, _bucket(policy, 1, owner))
        for policy in found
        if (owner := _owner(policy, client, caller, attempt))
    ]
    if not demands:
        return
    verdict = _take_all(request, demands, attempt)
    # As a request it has been counted already.
    counters.add(*verdict.marks)
    if verdict.error is not None:
        count_refusal(client)
        raise verdict.error


def give_back(request: HttpRequest | Request) -> None:
    """Return what a try to sign in took, because it was the owner's after all."""
    taken: list[Bucket] = request.META.pop(_TAKEN, [])
    if taken:
        take([replace(bucket, cost=-bucket.cost) for bucket in taken])


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


def _attempt(policies: Sequence[Policy], request: HttpRequest) -> Attempt | None:
    if any(policy.per in _ATTEMPTS for policy in policies):
        return attempt_of(request)
    return None


def _owner(
    policy: Policy, client: Client, principal: Principal, attempt: Attempt | None
) -> str:
    """Return whose bucket it is; empty where the policy doesn't concern the request."""
    if policy.per in _ATTEMPTS and attempt is None:
        return ""
    if attempt is not None and attempt.device and not policy.is_general:
        # Whatever others do to the account or at this address, this device may try.
        return attempt.owner
    if attempt is not None and policy.per == PER_ACCOUNT:
        return attempt.owner
    if attempt is not None and policy.per == PER_PAIR:
        return f"pair:{attempt.account}:{client.name}"
    return f"ip:{client.name}" if policy.per == PER_ADDRESS else principal.name


def _bucket(policy: Policy, weight: int, owner: str) -> Bucket:
    return Bucket(
        # The braces keep one owner's buckets in one slot of a cluster.
        f"{settings.CACHES['default']['KEY_PREFIX']}:limit:{{{owner}}}:{policy.name}",
        policy.capacity,
        policy.rate,
        policy.cost(weight),
        policy.is_enforced and mode_of("rate_limit") == "enforce",
        policy.is_strict,
    )


def _take_all(
    request: HttpRequest,
    demands: Sequence[tuple[Policy, Bucket]],
    attempt: Attempt | None,
) -> Verdict:
    verdict = _verdict(demands, take([bucket for _, bucket in demands]))
    if attempt is not None and verdict.error is None:
        taken = [bucket for policy, bucket in demands if not policy.is_general]
        request.META.setdefault(_TAKEN, []).extend(taken)
    return verdict


def _verdict(
    demands: Sequence[tuple[Policy, Bucket]], levels: Sequence[Level]
) -> Verdict:
    short: list[tuple[Policy, Level]] = []
    would: list[tuple[Policy, Level]] = []
    shown: list[tuple[Policy, Level]] = []
    names = []
    for (policy, bucket), level in zip(demands, levels, strict=True):
        # How often others have tried an account is nobody's business.
        if bucket.refuses and policy.per not in _ATTEMPTS:
            shown.append((policy, level))
        if level.is_short:
            (short if bucket.refuses else would).append((policy, level))
            names.append(f"refusals|{policy.name}|{str(bucket.refuses).lower()}")
        if policy.is_near(level):
            names.append(f"near|{policy.name}")
    if would:
        _log.info("rate_limit_would_refuse", policies=[p.name for p, _ in would])
    if short:
        return replace(_refusal(short), marks=names)
    outcome = "would_refuse" if would else "admitted"
    headers = _headers(shown) if shown else {}
    return Verdict(headers, outcome=outcome, marks=names)


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
    return Verdict(_headers(short), error, outcome="refused")
