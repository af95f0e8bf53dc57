"""The shop with the lock and the condition of its stock taken out: the control of the race."""

from config.wsgi import application as application  # noqa: PLC0414 -- granian loads it from here
from inventory.services import _ledger

_ledger.LOCK = ""
_ledger.WITHIN_LIMITS = "TRUE"
