from importlib import import_module
from io import BytesIO
from itertools import count
from uuid import uuid4

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.utils import timezone

from accounts.auth import Device, TokenPair, key_ring, new_key_secret
from accounts.constants import Method, Role
from accounts.models import AccountToken, Export, SigningKey, User
from accounts.services import create_user, send_link, start_session, write_link
from core.encryption import SealingWriter, new_file_key

PHONE = Device(name="Phone", address="203.0.113.7", user_agent="Firefox/140")
PASSWORD = "correct horse battery"  # noqa: S105 -- of people who don't exist
_numbers = count(1)


def seed_roles() -> None:
    """Bring back the migration's rows, which a test with real commits flushes away."""
    import_module("accounts.migrations.0002_seed_roles").seed_roles(apps, None)


def make_user(
    *,
    email: str = "",
    password: str | None = PASSWORD,
    roles: tuple[str, ...] = (Role.CUSTOMER,),
    **fields: object,
) -> User:
    """Create somebody with roles; ``fields`` are set as they are."""
    if Group.objects.count() < len(Role):
        seed_roles()
    user = create_user(
        email=email or f"person{next(_numbers)}@example.com",
        password=password,
        roles=roles,
        verified_at=timezone.now(),
    )
    if fields:
        User.objects.filter(pk=user.pk).update(**fields)
        user.refresh_from_db()
    return user


def make_export(user: User) -> Export:
    """Put an export there that is ready, with its file."""
    now = timezone.now()
    export = Export(user=user, status=Export.Status.READY, created_at=now)
    export.expires_at = now + settings.RETENTION["export_files"]
    export.file_key = new_file_key()
    made = BytesIO()
    with SealingWriter(made, key=export.file_key, context=export.seal_context) as file:
        file.write(b"PK")
    export.file.save("made.sealed", ContentFile(made.getvalue()))
    return export


def make_key(**changes: object) -> SigningKey:
    """Put a signing key into the table, as the rotation does."""
    algorithm = settings.TOKEN_ALGORITHM
    now = timezone.now()
    fields = {
        "kid": uuid4().hex,
        "algorithm": algorithm,
        "secret": new_key_secret(algorithm),
        "created_at": now,
        "signs_from": now,
    }
    return SigningKey.objects.create(**fields | changes)


def make_tokens(user: User, *, device: Device = PHONE) -> TokenPair:
    """Open a session for the user, as a sign-in does."""
    pair = start_session(
        user=user, device=device, methods=(Method.PASSWORD,), now=timezone.now()
    )
    # As in a process that runs for a while: keys are no part of what a request costs.
    key_ring.load()
    return pair


def make_link(user: User, purpose: str, *, email: str = "") -> str:
    """Have a link mailed and return the secret that its reader finds."""
    token = send_link(
        user,
        purpose=AccountToken.Purpose(purpose),
        email=email,
        now=timezone.now(),
    )
    link = write_link(token.pk)
    assert link is not None
    return link.url.partition("#token=")[2]
