"""How long each class of data is kept. After that a job deletes it, a batch at a time."""

from datetime import timedelta

RETENTION = {
    # What an Idempotency-Key is answered again with, from its first answer on.
    "answers": timedelta(hours=24),
    "answers_to_payments": timedelta(days=30),
    # Carts that nobody has changed. Orders have copied what they need of theirs.
    "carts": timedelta(days=90),
    # Sessions that have ended, with their refresh tokens.
    "sessions": timedelta(days=90),
    # Half-done sign-ins: second factors, passkeys, step-ups.
    "sign_in_steps": timedelta(hours=1),
    # After a link's end, and what no worker could answer.
    "mailed_links": timedelta(days=30),
    "account_requests": timedelta(days=1),
    # Sessions of the administration that have expired.
    "admin_sessions": timedelta(0),
    # Every person's log of what happened to the account.
    "activity": timedelta(days=400),
    # The file of an export, and that there was one.
    "export_files": timedelta(days=7),
    "exports": timedelta(days=400),
    # That somebody was told something, and how the mail went.
    "notifications": timedelta(days=400),
    # Events that every handler is done with; dead deliveries stay until they are mended.
    "events": timedelta(days=30),
    # Imports that are over, with the rows they refused.
    "imports": timedelta(days=90),
}
