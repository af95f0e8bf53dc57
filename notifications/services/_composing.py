from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation

from accounts.selectors import Contact
from notifications.constants import Kind
from notifications.services._subjects import Subject

TEMPLATE_LANGUAGE = "en"


def compose_mail(
    *, kind: Kind, contact: Contact, subject: Subject, message_id: str
) -> EmailMultiAlternatives:
    """Render a kind's three templates into one message."""
    context = {
        "shop_name": settings.SHOP_NAME,
        "shop_url": settings.SHOP_URL,
        "contact": contact,
        "language": TEMPLATE_LANGUAGE,
        # Amounts are written as the reader does, in whatever language the text is.
        "locale": contact.locale,
        kind.subject: subject,
        "notice": kind.notice,
    }
    # Where there is no catalogue for it, the text is as it was written.
    with translation.override(contact.locale):
        return _rendered(kind, contact, context, message_id)


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
