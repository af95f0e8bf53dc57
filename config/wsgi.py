import os
import sys
from typing import cast

from django.core.wsgi import get_wsgi_application

# Forgetting the variable must not open a shop that has the published key.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
django_application = get_wsgi_application()

# Models are there only now.
from config.starting import freeze, import_views, open_pool  # noqa: E402 -- see above
from core.key_proofs import require_keys  # noqa: E402 -- see above
from core.protection.door import Application, Door  # noqa: E402 -- see above

open_pool()
require_keys()
# What is hopeless under overload never gets as far as Django.
application = Door(cast("Application", django_application))

import_views()
freeze()

# A refusal takes microseconds, but first it has to get Python's lock from a thread that
# works. At the usual 5 ms a process says no some 250 times a second, at this ten times that.
sys.setswitchinterval(0.0005)
