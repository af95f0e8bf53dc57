from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation

from accounts.selectors import Contact
from notifications.constants import Kind
from notifications.services._subjects import Subject

# What there is a catalogue for. Anybody else reads the first.
LANGUAGES = ("en", "de")


def compose_mail(
    *, kind: Kind, contact: Contact, subject: Subject, message_id: str
) -> EmailMultiAlternatives:
    """Render a kind's three templates into one message."""
    language = _language_of(contact.locale)
    context = {
        "shop_name": settings.SHOP_NAME,
        "shop_url": settings.SHOP_URL,
        "contact": contact,
        "language": language,
        # Amounts are written as the reader does, in whatever language the text is.
        "locale": contact.locale,
        kind.subject: subject,
        "notice": kind.notice,
        "subject": subject,
    }
    with translation.override(language):
        return _rendered(kind, contact, context, message_id)


def _language_of(locale: str) -> str:
    language = locale.replace("_", "-").partition("-")[0].lower()
    return language if language in LANGUAGES else LANGUAGES[0]


def _rendered(
    kind: Kind, contact: Contact, context: dict[str, Any], message_id: str
) -> EmailMultiAlternatives:
    template = f"notifications/{kind.template}"
    headline = render_to_string(f"{template}.subject.txt", context)
    mail = EmailMultiAlternatives(
        # A header is one line, whatever a product or a shop is called.
        subject=" ".join(headline.split()),
        body=render_to_string(f"{template}.txt", context),
        to=[contact.email],
        headers={"Message-ID": message_id, "Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string(f"{template}.html", context), "text/html")
    return mail
