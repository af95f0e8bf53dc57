"""Decide whether a request is within its caller's quotas.

Fails to the near side: with Valkey out each process counts by itself, and policies that
are strict grant there only the process's share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import NamedTuple

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from core.exceptions import QuotaExceededError
from core.protection.addresses import Client, client_of
from core.protection.attempts import Attempt
from core.protection.counters import counters
from core.protection.demands import Demand, Plan, demand_of, demand_under, text_of
from core.protection.line import line
from core.protection.policies import Policy
from core.protection.principals import Principal, principal_of
from core.protection.refusals import count_refusal
from core.protection.rules import rulebook
from core.protection.sparing import SparingBuckets
from core.protection.switches import mode_of
from core.protection.token_bucket import Bucket, Level, LocalBuckets, SharedBuckets

_log = structlog.get_logger("rate_limit")
_TAKEN = "shopwright.limits.taken"

shared = SparingBuckets(SharedBuckets(line.call))
local = LocalBuckets()


class Verdict(NamedTuple):
    headers: Mapping[str, str]
    error: QuotaExceededError | None = None
    outcome: str = "admitted"
    # What to count of it.
    marks: Sequence[str] = ()


_UNCOUNTED = Verdict({})


def judge(request: HttpRequest, client: Client) -> Verdict:
    """Take the request's cost from every bucket that applies, or refuse it."""
    principal = principal_of(request, client)
    mode = mode_of("rate_limit")
    demand = demand_of(request, client, principal, rulebook.current(), mode)
    if not demand.buckets:
        return _UNCOUNTED
    verdict = _meet(demand, request)
    counters.add(demand.plan.counts[verdict.outcome], *verdict.marks)
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
    mode = mode_of("rate_limit")
    if mode == "off":
        return
    client = client_of(request)
    caller = principal or principal_of(request, client)
    policies = rulebook.current().policies_of_route(
        role=caller.role, method=request.method or "", path=path
    )
    plan = Plan(caller.role, policies, weight=1, mode=mode)
    demand = demand_under(plan, client, caller, attempt)
    if not demand.buckets:
        return
    verdict = _meet(demand, request)
    # As a request it has been counted already.
    counters.add(*verdict.marks)
    if verdict.error is not None:
        count_refusal(client)
        raise verdict.error


def _meet(demand: Demand, request: HttpRequest) -> Verdict:
    verdict = _verdict(demand.plan, take(demand.buckets))
    if demand.attempt is not None and verdict.error is None:
        pairs = zip(demand.plan.policies, demand.buckets, strict=True)
        taken = [bucket for policy, bucket in pairs if not policy.is_general]
        request.META.setdefault(_TAKEN, []).extend(taken)
    return verdict


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


def _verdict(plan: Plan, levels: Sequence[Level]) -> Verdict:
    short: list[tuple[Policy, Level]] = []
    would: list[str] = []
    texts: list[str] = []
    marks: list[str] = []
    parts = zip(plan.policies, plan.refuses, plan.is_shown, levels, strict=True)
    for policy, refuses, is_shown, level in parts:
        if is_shown:
            texts.append(policy.quota_text(level))
        if level.wait_seconds:
            if refuses:
                short.append((policy, level))
            else:
                would.append(policy.name)
            marks.append(f"refusals|{policy.name}|{str(refuses).lower()}")
        if level.remaining < policy.near_below:
            marks.append(f"near|{policy.name}")
    if would:
        _log.info("rate_limit_would_refuse", policies=would)
    if short:
        return _refusal(short, marks)
    outcome = "would_refuse" if would else "admitted"
    return Verdict(_headers(plan.policy_text, texts), None, outcome, marks)


def _refusal(short: Sequence[tuple[Policy, Level]], marks: Sequence[str]) -> Verdict:
    names = [policy.name for policy, _ in short]
    wait = max(ceil(level.wait_seconds) for _, level in short)
    error = QuotaExceededError(
        f"Used up: {', '.join(names)}. Wait {wait} s.",
        retry_after=wait,
        violated_policies=names,
    )
    texts = [policy.quota_text(level) for policy, level in short]
    headers = _headers(text_of(policy for policy, _ in short), texts)
    return Verdict(headers, error, "refused", marks)


def _headers(policies: str, limits: Sequence[str]) -> Mapping[str, str]:
    if not limits:
        return {}
    return {"RateLimit-Policy": policies, "RateLimit": ", ".join(limits)}
