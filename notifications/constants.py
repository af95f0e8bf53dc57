from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

_ADVICE = gettext_lazy(
    "If that was you, there is nothing to do. If it was not, sign in, end all other sessions and set a new password at once."
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be told. ``subject`` names the loader that knows what it is about."""

    slug: str
    category: str
    subject: str
    channels: tuple[str, ...]
    # Set where all that is to be said is a headline and a sentence or two.
    notice: "Notice | None" = None

    @property
    def template(self) -> str:
        return self.slug if self.notice is None else "notice"


@dataclass(frozen=True, slots=True)
class Notice:
    """``headline`` is the mail's subject too; ``advice`` is for who knows nothing of it."""

    headline: str | Promise
    text: str | Promise
    advice: str | Promise = _ADVICE


ORDER_PLACED = Kind(
    slug="order_placed", category="order", subject="order", channels=("email",)
)


def _security(slug: str, notice: Notice) -> Kind:
    """Make a kind that tells the owner of an account what happened to it."""
    return Kind(
        slug=slug,
        category="security",
        subject="person",
        channels=("email",),
        notice=notice,
    )


FACTOR_ADDED = _security(
    "factor_added",
    Notice(
        headline=gettext_lazy("A way to sign in was added"),
        text=gettext_lazy(
            "An authenticator app, new recovery codes or a passkey was added to your account."
        ),
    ),
)
FACTOR_REMOVED = _security(
    "factor_removed",
    Notice(
        headline=gettext_lazy("A way to sign in was removed"),
        text=gettext_lazy(
            "An authenticator app or a passkey was removed from your account."
        ),
    ),
)
RECOVERY_CODE_USED = _security(
    "recovery_code_used",
    Notice(
        headline=gettext_lazy("A recovery code was used"),
        text=gettext_lazy(
            "Somebody signed in to your account with one of its recovery codes. Each works once; make new ones before they run out."
        ),
    ),
)
PASSKEY_COPIED = _security(
    "passkey_copied",
    Notice(
        headline=gettext_lazy("A passkey of yours may have been copied"),
        text=gettext_lazy(
            "One of your passkeys was used in a way that only a copy of it would be. We refused it."
        ),
        advice=gettext_lazy(
            "Remove that passkey from your account and make a new one."
        ),
    ),
)
IDENTITY_LINKED = _security(
    "identity_linked",
    Notice(
        headline=gettext_lazy("Another account can sign you in"),
        text=gettext_lazy("An account at another provider was linked to yours."),
    ),
)
IDENTITY_UNLINKED = _security(
    "identity_unlinked",
    Notice(
        headline=gettext_lazy("Another account signs you in no more"),
        text=gettext_lazy("An account at another provider was unlinked from yours."),
    ),
)
SIGN_INS_GUESSED = _security(
    "sign_ins_guessed",
    Notice(
        headline=gettext_lazy("Somebody is guessing your password"),
        text=gettext_lazy(
            "There were many wrong passwords for your account within an hour. We slow such guesses down; nobody got in by them."
        ),
        advice=gettext_lazy(
            "If you use your password elsewhere too, set a new one. A second factor or a passkey ends the guessing for good."
        ),
    ),
)
KINDS = {
    kind.slug: kind
    for kind in (
        ORDER_PLACED,
        FACTOR_ADDED,
        FACTOR_REMOVED,
        RECOVERY_CODE_USED,
        PASSKEY_COPIED,
        IDENTITY_LINKED,
        IDENTITY_UNLINKED,
        SIGN_INS_GUESSED,
    )
}
