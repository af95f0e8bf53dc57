"""Addresses of mail: one spelling for one mailbox, and none that only looks like one."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.deconstruct import deconstructible

MAILBOX_MAX_LENGTH = 254


def plain_mailbox(address: str) -> str:
    """Return the spelling that stands for every other one of the same mailbox.

    The case of the whole address is folded: RFC 5321 lets hosts tell local parts apart by
    it, and none that matters does. The domain becomes the one that mail is sent to:
    bücher.example is xn--bcher-kva.example, full-width letters are plain ones, and a
    Cyrillic letter that looks Latin shows. Whatever is no address comes back in small
    letters.
    """
    local, at, domain = address.strip().lower().rpartition("@")
    return f"{local}{at}{_sent_domain(domain)}"


def _sent_domain(domain: str) -> str:
    """Return the domain as Django's mail writes it for the server."""
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return domain


@deconstructible
class MailboxValidator(EmailValidator):
    """Refuses what Django takes, and nobody has or has under another spelling.

    A quoted local part is an unquoted one in disguise, letters such as a dotless i pass
    for those of ASCII where case is ignored, and mail to a number or to ``localhost``
    goes to a machine of ours.
    """

    message = "That is no address that mail can be sent to."
    user_regex = re.compile(
        r"[-!#$%&'*+/=?^_`{}|~0-9A-Z]+(\.[-!#$%&'*+/=?^_`{}|~0-9A-Z]+)*\Z",
        re.IGNORECASE | re.ASCII,
    )
    domain_allowlist = ()

    def __call__(self, value: str | None) -> None:
        super().__call__(value)
        # A domain may grow, or turn out to be none, when it is written for the server.
        plain = plain_mailbox(value or "")
        super().__call__(plain)
        if len(plain) > MAILBOX_MAX_LENGTH or not plain.isascii():
            raise ValidationError(self.message, code=self.code)

    def validate_domain_part(self, domain_part: str) -> bool:
        return bool(self.domain_regex.match(domain_part))


validate_mailbox = MailboxValidator()


def is_mailbox(address: str) -> bool:
    try:
        validate_mailbox(address)
    except ValidationError:
        return False
    return True
