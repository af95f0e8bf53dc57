"""Shut out by rule who goes on and on though refused."""

import logging
from datetime import timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from core.models import AddressBlock
from core.protection import services
from core.protection.addresses import Client
from core.protection.line import line

# One key an address, alive for the window that its first refusal opens.
_SCRIPT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
"""
_logger = logging.getLogger(__name__)


def count_refusal(client: Client) -> None:
    """Block the address once it was refused too often.

    Fails open: with Valkey or the database out nobody is blocked. Never our own side's
    addresses, since behind an uncounted proxy these are everybody.
    """
    most = settings.BLOCK_AFTER_REFUSALS
    if not most or client.is_on_our_side:
        return
    prefix = settings.CACHES["default"]["KEY_PREFIX"]
    key = f"{prefix}:limits:refusals:{client.name}"
    minutes = settings.BLOCK_WINDOW_MINUTES
    try:
        count = line.call("EVAL", _SCRIPT, 1, key, minutes * 60)
    except redis.RedisError:
        return
    # Exactly then, so that of all processes one writes the row.
    if count != most:
        return
    block = AddressBlock(
        network=client.network,
        reason=f"{most} refusals within {minutes} minutes",
        source=AddressBlock.Source.RULE,
        ends_at=timezone.now() + timedelta(minutes=settings.BLOCK_MINUTES),
    )
    try:
        services.save_rule(block, actor_id=None)
    except (DatabaseError, InterfaceError):
        _logger.warning("An address to block could not be written down.")
