"""What the local mail folder holds, for reading it in a browser."""

import re
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

# Django's file backend puts this line after every message.
_END_OF_MESSAGE = re.compile(rb"^-{79}\n", re.MULTILINE)
MAX_FILES = 200


@dataclass(frozen=True, slots=True)
class StoredMail:
    id: str
    subject: str
    sender: str
    to: str
    message_id: str
    sent_at: datetime | None
    text: str
    html: str


def stored_mails(folder: Path) -> list[StoredMail]:
    """Return the newest mails first, from at most ``MAX_FILES`` files."""
    # The names begin with the moment of writing.
    files = sorted(folder.glob("*.log"), reverse=True)[:MAX_FILES]
    return [mail for file in files for mail in _mails_in(file)]


def get_stored_mail(folder: Path, mail_id: str) -> StoredMail | None:
    # Compared with what is there, so an id can't lead out of the folder.
    return next((mail for mail in stored_mails(folder) if mail.id == mail_id), None)


def _mails_in(file: Path) -> list[StoredMail]:
    messages = _END_OF_MESSAGE.split(file.read_bytes())
    found = [
        _read(message, mail_id=f"{file.stem}-{number}")
        for number, message in enumerate(messages, start=1)
        if message.strip()
    ]
    return found[::-1]


def _read(raw: bytes, *, mail_id: str) -> StoredMail:
    message = message_from_bytes(raw, policy=policy.default)
    date = message["Date"]
    return StoredMail(
        id=mail_id,
        subject=str(message["Subject"] or ""),
        sender=str(message["From"] or ""),
        to=str(message["To"] or ""),
        message_id=str(message["Message-ID"] or ""),
        sent_at=date.datetime if date else None,
        text=_body(message, "plain"),
        html=_body(message, "html"),
    )


def _body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body(preferencelist=(subtype,))
    return str(part.get_content()) if part else ""
