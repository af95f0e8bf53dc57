"""What a request asks of whose buckets, worked out once for each caller of a route.

As long as the rules are the same so is the answer, and finding policies and naming
buckets takes longer than counting. A try to sign in is worked out each time, since it
depends on what stands in its form.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from django.conf import settings
from django.http import HttpRequest

from core.protection.addresses import Client
from core.protection.attempts import Attempt, attempt_of
from core.protection.policies import PER_ACCOUNT, PER_ADDRESS, PER_PAIR, Policy
from core.protection.principals import Principal
from core.protection.rules import Rules
from core.protection.switches import Mode
from core.protection.token_bucket import Bucket

# Under one set of rules. Whoever comes from ever new addresses makes us begin anew.
MOST_KEPT = 10_000
LONGEST_PATH_KEPT = 200
OUTCOMES = ("admitted", "would_refuse", "refused")
_PER_ATTEMPT = frozenset({PER_ACCOUNT, PER_PAIR})


@dataclass(slots=True)
class Plan:
    """The policies that apply to a route's callers, and what answers say of them."""

    role: str
    policies: Sequence[Policy]
    weight: int
    mode: Mode
    refuses: Sequence[bool] = field(init=False)
    is_shown: Sequence[bool] = field(init=False)
    is_about_attempts: bool = field(init=False)
    # As the header RateLimit-Policy has it, and the counters by outcome.
    policy_text: str = field(init=False)
    counts: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        is_attempt = [policy.per in _PER_ATTEMPT for policy in self.policies]
        self.is_about_attempts = any(is_attempt)
        is_on = self.mode == "enforce"
        self.refuses = [is_on and policy.is_enforced for policy in self.policies]
        # How often others have tried an account is nobody's business.
        self.is_shown = [
            refuses and not secret
            for refuses, secret in zip(self.refuses, is_attempt, strict=True)
        ]
        shown = zip(self.policies, self.is_shown, strict=True)
        self.policy_text = text_of(policy for policy, is_shown in shown if is_shown)
        self.counts = {name: f"requests|{self.role}|{name}" for name in OUTCOMES}


class Demand(NamedTuple):
    """A bucket for each policy of the plan; ``attempt`` if it is a try to sign in."""

    plan: Plan
    buckets: Sequence[Bucket]
    attempt: Attempt | None = None


def text_of(policies: Iterable[Policy]) -> str:
    return ", ".join([policy.text for policy in policies])


def demand_of(
    request: HttpRequest, client: Client, principal: Principal, rules: Rules, mode: Mode
) -> Demand:
    method = "GET" if request.method == "HEAD" else request.method or ""
    path = request.path_info
    key = (principal, client.name, method, path, mode)
    kept = rules.memory.get(key)
    if kept is not None:
        return cast("Demand", kept)
    plan = _plan_of(principal, method, path, rules, mode)
    if plan.is_about_attempts:
        return demand_under(plan, client, principal, attempt_of(request))
    demand = demand_under(plan, client, principal, None)
    _keep(rules, key, demand, path)
    return demand


def demand_under(
    plan: Plan, client: Client, principal: Principal, attempt: Attempt | None
) -> Demand:
    """Name the buckets of a plan's policies."""
    if attempt is None and plan.is_about_attempts:
        # The form names nobody, so what is counted per account doesn't concern it.
        policies = [p for p in plan.policies if p.per not in _PER_ATTEMPT]
        plan = Plan(plan.role, policies, plan.weight, plan.mode)
    return Demand(plan, _buckets(plan, client, principal, attempt), attempt)


def _plan_of(
    principal: Principal, method: str, path: str, rules: Rules, mode: Mode
) -> Plan:
    own = principal.name if rules.has_own(principal.name) else ""
    key = (principal.role, own, method, path, mode)
    kept = rules.memory.get(key)
    if kept is not None:
        return cast("Plan", kept)
    policies = rules.policies_for(
        role=principal.role, method=method, path=path, principal=own
    )
    plan = Plan(principal.role, policies, rules.weight_of(method, path), mode)
    _keep(rules, key, plan, path)
    return plan


def _keep(rules: Rules, key: tuple[object, ...], found: object, path: str) -> None:
    if len(path) <= LONGEST_PATH_KEPT:
        if len(rules.memory) >= MOST_KEPT:
            rules.memory.clear()
        rules.memory[key] = found


def _buckets(
    plan: Plan, client: Client, principal: Principal, attempt: Attempt | None
) -> list[Bucket]:
    prefix = settings.CACHES["default"]["KEY_PREFIX"]
    return [
        Bucket(
            # The braces keep one owner's buckets in one slot of a cluster.
            f"{prefix}:limit:{{{_owner(policy, client, principal, attempt)}}}:{policy.name}",
            policy.capacity,
            policy.rate,
            policy.cost(plan.weight),
            refuses,
            policy.is_strict,
        )
        for policy, refuses in zip(plan.policies, plan.refuses, strict=True)
    ]


def _owner(
    policy: Policy, client: Client, principal: Principal, attempt: Attempt | None
) -> str:
    """Return whose bucket it is."""
    if attempt is not None:
        if attempt.device and not policy.is_general:
            # Whatever others do to the account or at this address, this device may try.
            return attempt.owner
        if policy.per == PER_ACCOUNT:
            return attempt.owner
        if policy.per == PER_PAIR:
            return f"pair:{attempt.account}:{client.name}"
    return f"ip:{client.name}" if policy.per == PER_ADDRESS else principal.name
