"""Settings of a test's shop whose load shedding the environment decides."""

from config.env import env_choice
from config.settings.test import *  # noqa: F403 -- settings inherit by star import
from config.sizes import MODES

LOAD_SHEDDING_MODE = env_choice("LOAD_SHEDDING_MODE", "enforce", choices=MODES)
