import os

from django.core.asgi import get_asgi_application

# Forgetting the variable must not open a shop that has the published key.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
application = get_asgi_application()

# Models are there only now.
from config.starting import freeze, import_views  # noqa: E402 -- see above
from core.key_proofs import require_keys  # noqa: E402 -- see above

require_keys()
import_views()
freeze()
