"""The benchmarks' settings without the protection chain: what it costs shows beside them."""

from benchmarks.settings import *  # noqa: F403 -- settings inherit by star import
from benchmarks.settings import MIDDLEWARE as WHOLE

MIDDLEWARE = [name for name in WHOLE if not name.startswith("core.protection.")]
