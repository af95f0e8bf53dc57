"""Changes of limits, weights, blocks and switches, each with its entry in the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from core import audit
from core.models import (
    AddressBlock,
    BreakerControl,
    RateLimitPolicy,
    RouteWeight,
    Switch,
)
from core.protection.principals import Principal

OWN_LIMIT = "own"
Rule = RateLimitPolicy | RouteWeight | AddressBlock | Switch | BreakerControl


@transaction.atomic
def save_rule(rule: Rule, *, actor_id: UUID | None) -> None:
    """Write the rule; processes follow within seconds."""
    before = _stored(rule)
    rule.save(force_insert=before is None)
    after = _columns(rule)
    changed = [name for name in after if before is None or before[name] != after[name]]
    if changed:
        audit.record(
            rule,
            f"core.{rule._meta.model_name}_{'added' if before is None else 'changed'}",  # noqa: SLF001 -- Django's public API
            before={name: before[name] for name in changed} if before else {},
            after={name: after[name] for name in changed},
            actor_id=actor_id,
        )


@transaction.atomic
def delete_rule(rule: Rule, *, actor_id: UUID | None) -> None:
    before = _columns(rule)
    audit.record(
        rule,
        f"core.{rule._meta.model_name}_deleted",  # noqa: SLF001 -- Django's public API
        before=before,
        actor_id=actor_id,
    )
    rule.delete()


@transaction.atomic
def set_switch(*, name: str, mode: str, actor_id: UUID | None) -> None:
    """Switch a protection; without a mode the environment decides again."""
    switch = Switch.objects.select_for_update().filter(name=name).first()
    if mode:
        switch = switch or Switch(name=name)
        switch.mode = mode
        save_rule(switch, actor_id=actor_id)
    elif switch is not None:
        delete_rule(switch, actor_id=actor_id)


@transaction.atomic
def control_breaker(*, name: str, state: str, actor_id: UUID | None) -> None:
    """Set what a breaker does by hand, in every process."""
    control = _control(name)
    control.state = state
    save_rule(control, actor_id=actor_id)


@transaction.atomic
def close_breaker(*, name: str, actor_id: UUID | None) -> None:
    """Close a breaker once in every process; from then on it decides by itself."""
    control = _control(name)
    control.state = BreakerControl.State.AUTOMATIC
    control.closings += 1
    save_rule(control, actor_id=actor_id)


def _control(name: str) -> BreakerControl:
    found = BreakerControl.objects.select_for_update().filter(name=name).first()
    return found or BreakerControl(name=name)


@transaction.atomic
def limit_caller(
    caller: Principal, *, per_minute: int | None, actor_id: UUID | None
) -> None:
    """Give one caller a limit of his own, or with None those of his role again."""
    found = RateLimitPolicy.objects.filter(name=OWN_LIMIT, principal=caller.name)
    rule = found.select_for_update().first()
    if per_minute is None:
        if rule is not None:
            delete_rule(rule, actor_id=actor_id)
        return
    rule = rule or RateLimitPolicy(
        name=OWN_LIMIT, role=caller.role, principal=caller.name, window_seconds=60
    )
    rule.quota = per_minute
    save_rule(rule, actor_id=actor_id)


def _stored(rule: Rule) -> dict[str, Any] | None:
    found: Rule | None = (
        type(rule)._default_manager.select_for_update().filter(pk=rule.pk).first()  # noqa: SLF001 -- Django documents it
    )
    return None if found is None else _columns(found)


def _columns(rule: Rule) -> dict[str, Any]:
    """Return the values as JSON can say them."""
    names = (field.attname for field in rule._meta.concrete_fields)  # noqa: SLF001 -- Django's public API
    values = {name: getattr(rule, name) for name in names if name != "id"}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }
